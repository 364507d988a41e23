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
    var page: Page?
    var parent: NodeID
    var tokens: [TokenID]  // (pageSize), empty for a root
    var hash: UInt64
    var pinCount = 0
    var childCount = 0
    var previous: NodeID = -1
    var next: NodeID = -1
    var tenant: String?
  }

  private struct BlockKey: Hashable {
    let parent: NodeID
    let hash: UInt64
  }

  private let pageSize: Int
  private var nodes: [Node] = []
  private var freeNodes: [NodeID] = []
  private var blocks: [BlockKey: NodeID] = [:]
  private var roots: [String?: NodeID] = [:]
  private var oldest: NodeID = -1
  private var newest: NodeID = -1
  /// Pages that the tree holds.
  package private(set) var pageCount = 0
  /// Pages that it can drop.
  package private(set) var unusedCount = 0

  package init(pageSize: Int) {
    self.pageSize = pageSize
  }

  /// The nodes of the longest known beginning of `tokens`, at most `limit` of them.
  package func match(_ tokens: [TokenID], tenant: String?, limit: Int) -> [NodeID] {
    guard var node = roots[tenant] else { return [] }
    var path: [NodeID] = []
    while path.count < limit {
      let range = path.count * pageSize..<(path.count + 1) * pageSize
      guard let next = child(of: node, tokens, range) else { break }
      path.append(next)
      node = next
    }
    return path
  }

  /// The page of a node.
  package func page(of node: NodeID) -> Page? { nodes[Int(node)].page }

  /// The node of a block after `parent` (nil: the first one), made if need be, and pinned.
  ///
  /// - Returns: Whether it is new, so that its page has to be held; nil when another block has the
  ///   same hash and this one cannot be known.
  package mutating func insert(
    _ tokens: [TokenID], _ range: Range<Int>, page: Page, after parent: NodeID?, tenant: String?
  ) -> (node: NodeID, isNew: Bool)? {
    let parent = parent ?? root(of: tenant)
    if let node = child(of: parent, tokens, range) {
      pin(node)
      return (node, false)
    }
    let hash = Self.hash(tokens, range)
    guard blocks[BlockKey(parent: parent, hash: hash)] == nil else { return nil }
    let node = add(
      Node(
        page: page, parent: parent, tokens: Array(tokens[range]), hash: hash, pinCount: 1,
        tenant: tenant))
    blocks[BlockKey(parent: parent, hash: hash)] = node
    nodes[Int(parent)].childCount += 1
    pageCount += 1
    return (node, true)
  }

  /// Keeps a node, as those above it already are.
  package mutating func pin(_ node: NodeID) {
    if nodes[Int(node)].pinCount == 0 { unlink(node) }
    nodes[Int(node)].pinCount += 1
  }

  /// Lets the nodes of a path go.
  package mutating func unpin(_ path: [NodeID]) {
    for node in path.reversed() {
      nodes[Int(node)].pinCount -= 1
      if nodes[Int(node)].pinCount == 0 { link(node) }
    }
  }

  /// Drops the page that has been unused for longest; nil when all are in use.
  package mutating func dropOldest() -> Page? {
    guard oldest >= 0 else { return nil }
    let node = oldest
    let value = nodes[Int(node)]
    precondition(value.childCount == 0, "a node stands before the one above it")
    unlink(node)
    blocks[BlockKey(parent: value.parent, hash: value.hash)] = nil
    free(node)
    pageCount -= 1
    nodes[Int(value.parent)].childCount -= 1
    if nodes[Int(value.parent)].parent < 0, nodes[Int(value.parent)].childCount == 0 {
      roots[value.tenant] = nil
      free(value.parent)
    }
    return value.page
  }

  private mutating func root(of tenant: String?) -> NodeID {
    if let root = roots[tenant] { return root }
    let root = add(Node(page: nil, parent: -1, tokens: [], hash: 0, tenant: tenant))
    roots[tenant] = root
    return root
  }

  private func child(of parent: NodeID, _ tokens: [TokenID], _ range: Range<Int>) -> NodeID? {
    let key = BlockKey(parent: parent, hash: Self.hash(tokens, range))
    guard let node = blocks[key], nodes[Int(node)].tokens.elementsEqual(tokens[range]) else {
      return nil
    }
    return node
  }

  /// Words of a block mixed by multiplication; equal tokens are compared as well.
  private static func hash(_ tokens: [TokenID], _ range: Range<Int>) -> UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in range {
      hash = (hash ^ UInt64(UInt32(bitPattern: tokens[index]))) &* 0xD6E8_FEB8_6659_FD93
      hash ^= hash >> 32
    }
    return hash
  }

  private mutating func add(_ node: Node) -> NodeID {
    if let index = freeNodes.popLast() {
      nodes[Int(index)] = node
      return index
    }
    nodes.append(node)
    return NodeID(nodes.count - 1)
  }

  private mutating func free(_ node: NodeID) {
    nodes[Int(node)].page = nil
    nodes[Int(node)].tokens = []
    nodes[Int(node)].tenant = nil
    freeNodes.append(node)
  }

  private mutating func link(_ node: NodeID) {
    nodes[Int(node)].previous = newest
    nodes[Int(node)].next = -1
    if newest >= 0 { nodes[Int(newest)].next = node } else { oldest = node }
    newest = node
    unusedCount += 1
  }

  private mutating func unlink(_ node: NodeID) {
    let (previous, next) = (nodes[Int(node)].previous, nodes[Int(node)].next)
    if previous >= 0 { nodes[Int(previous)].next = next } else { oldest = next }
    if next >= 0 { nodes[Int(next)].previous = previous } else { newest = previous }
    unusedCount -= 1
  }
}
