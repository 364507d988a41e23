package import Tokenization

/// A node of a prefix tree, or a tenant's root.
package typealias PrefixNodeID = Int32

/// Which pages hold the beginnings of sequences, block by block, so that others can start with them.
///
/// A node is one full page: the tokens of a block after those of the nodes above it. Every tenant has
/// a root of its own, so nobody can learn from the time to a first token what others have asked.
/// Nodes in use are pinned; the others form a list, longest unused first, in which a node always
/// stands before the one above it, so that the first can be dropped.
package struct PrefixTree<Page> {
  package typealias NodeID = PrefixNodeID

  private struct Node {
    var page: Page
    var parent: NodeID  // -1 for a first block
    var key: PrefixKey
    var pinCount = 0
    var childCount = 0
    var previous: NodeID = -1
    var next: NodeID = -1
  }

  private let pageSize: Int
  private var nodes: [Node?] = []
  private var freeNodes: [NodeID] = []
  private var blocks: [PrefixKey: NodeID] = [:]
  private var oldest: NodeID = -1
  private var newest: NodeID = -1
  /// Pages that the tree can drop.
  package private(set) var unusedCount = 0

  package init(pageSize: Int) {
    self.pageSize = pageSize
  }

  /// Pages that the tree holds.
  package var pageCount: Int { blocks.count }

  /// The nodes of the longest known beginning of `tokens`, at most `limit` of them.
  package func match(_ tokens: [TokenID], tenant: String?, limit: Int) -> [NodeID] {
    var path: [NodeID] = []
    var key = PrefixKey(tenant: tenant)
    while path.count < limit {
      key = key.appending(tokens[path.count * pageSize..<(path.count + 1) * pageSize])
      guard let node = blocks[key] else { break }
      path.append(node)
    }
    return path
  }

  /// The page of a node.
  package func page(of node: NodeID) -> Page? { nodes[Int(node)]?.page }

  /// The key of a block after `parent` (nil: the first one).
  package func key(
    _ tokens: [TokenID], _ range: Range<Int>, after parent: NodeID?, tenant: String?
  ) -> PrefixKey {
    let start = parent.flatMap { nodes[Int($0)]?.key } ?? PrefixKey(tenant: tenant)
    return start.appending(tokens[range])
  }

  /// The node of a block after `parent` (nil: the first one), made if need be, and pinned.
  ///
  /// - Returns: Whether it is new, so that its page has to be held.
  package mutating func insert(
    _ key: PrefixKey, page: Page, after parent: NodeID?
  ) -> (node: NodeID, isNew: Bool) {
    if let node = blocks[key] {
      pin(node)
      return (node, false)
    }
    let node = add(Node(page: page, parent: parent ?? -1, key: key, pinCount: 1))
    blocks[key] = node
    if let parent { nodes[Int(parent)]?.childCount += 1 }
    return (node, true)
  }

  /// Keeps a node, as those above it already are.
  package mutating func pin(_ node: NodeID) {
    if nodes[Int(node)]?.pinCount == 0 { unlink(node) }
    nodes[Int(node)]?.pinCount += 1
  }

  /// Lets the nodes of a path go.
  package mutating func unpin(_ path: [NodeID]) {
    for node in path.reversed() {
      nodes[Int(node)]?.pinCount -= 1
      if nodes[Int(node)]?.pinCount == 0 { link(node) }
    }
  }

  /// Drops the page that has been unused for longest; nil when all are in use.
  package mutating func dropOldest() -> (page: Page, key: PrefixKey)? {
    guard oldest >= 0, let value = nodes[Int(oldest)] else { return nil }
    let node = oldest
    precondition(value.childCount == 0, "a node stands before the one above it")
    unlink(node)
    blocks[value.key] = nil
    nodes[Int(node)] = nil
    freeNodes.append(node)
    if value.parent >= 0 { nodes[Int(value.parent)]?.childCount -= 1 }
    return (value.page, value.key)
  }

  private mutating func add(_ node: Node) -> NodeID {
    if let index = freeNodes.popLast() {
      nodes[Int(index)] = node
      return index
    }
    nodes.append(node)
    return NodeID(nodes.count - 1)
  }

  private mutating func link(_ node: NodeID) {
    nodes[Int(node)]?.previous = newest
    nodes[Int(node)]?.next = -1
    if newest >= 0 { nodes[Int(newest)]?.next = node } else { oldest = node }
    newest = node
    unusedCount += 1
  }

  private mutating func unlink(_ node: NodeID) {
    guard let value = nodes[Int(node)] else { return }
    let (previous, next) = (value.previous, value.next)
    if previous >= 0 { nodes[Int(previous)]?.next = next } else { oldest = next }
    if next >= 0 { nodes[Int(next)]?.previous = previous } else { newest = previous }
    unusedCount -= 1
  }
}
