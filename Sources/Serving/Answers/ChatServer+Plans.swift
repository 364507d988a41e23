import Constraints
import Inference
import Tokenization

extension ChatServer {
  /// The format of chats, with or without thinking where both exist.
  func chatFormat(thinks: Bool?) throws(APIError) -> ChatFormat? {
    let format = options.chatFormat ?? tokenizer.chatFormat
    switch (format, thinks) {
    case (.deepseekV3_1?, true?): return .deepseekV3_1Thinking
    case (.deepseekV3_1Thinking?, false?): return .deepseekV3_1
    default: return format
    }
  }

  /// What a conversation comes to.
  func plan(
    chat messages: [ChatMessage], tools: ToolFields, _ fields: GenerationFields, thinks: Bool?
  ) throws(APIError) -> AnswerPlan {
    guard let format = try chatFormat(thinks: thinks) else {
      throw .invalid("\(TokenizerError.unknownChatFormat)", param: "messages")
    }
    let syntax = tokenizer.toolSyntax(of: format)
    let active = tools.active
    var plan = AnswerPlan(prompts: [], fields: fields)
    plan.layout.answerPrefix = format.answerPrefix
    // After results of tools the answer goes on where it was: no thinking is opened.
    let goesOn = messages.last { $0.role != .system }?.role == .tool
    plan.layout.reasoning = goesOn ? nil : format.reasoning
    if !active.isEmpty { plan.layout.tools = syntax }
    let prompt = messages.declaring(active.map(\.declaration), syntax)
    do {
      plan.prompts = [try tokenizer.encode(chat: prompt, format: format)]
    } catch {
      throw .invalid("\(error)", param: "messages")
    }
    plan.shape = shape(
      fields.format, tools, syntax, reasoning: plan.layout.reasoning, prefix: format.answerPrefix)
    plan.layout.shownTokens = shownTokens(plan.layout)
    return plan
  }

  /// Control tokens by which the layout is recognised.
  private func shownTokens(_ layout: AnswerLayout) -> Set<TokenID> {
    var texts = layout.tools?.markTexts ?? []
    if let reasoning = layout.reasoning { texts.append(reasoning.closing) }
    return Set(texts.compactMap(tokenizer.specialToken).filter(tokenizer.isControl))
  }

  /// What an answer is kept to; nil when it may be anything.
  private func shape(
    _ response: ResponseFormat, _ tools: ToolFields, _ syntax: ToolSyntax,
    reasoning: ChatFormat.Reasoning?, prefix: String
  ) -> AnswerShape? {
    let opening: AnswerShape =
      if let reasoning {
        .sequence([
          .anyText(without: reasoning.closing), literal(reasoning.closing),
          .optional(.text("\n\n")),
        ])
      } else {
        .optional(.text(prefix))
      }
    let active = tools.active
    guard !active.isEmpty else { return response.shape.map { .sequence([opening, $0]) } }
    let calls = calls(active, several: tools.allowsSeveralCalls, syntax)
    switch tools.choice {
    case .none: return nil
    case .required: return .sequence([opening, calls])
    case .named: return .sequence([opening, self.calls(active, several: false, syntax)])
    case .auto:
      if let shape = response.shape { return .sequence([opening, .choice([shape, calls])]) }
      // Free text, thinking included, which the first mark of a call ends.
      let text = AnswerShape.anyText(without: syntax.trigger)
      return .sequence([text, closing(reasoning, then: text), .optional(calls)])
    }
  }

  /// The end of the thinking and what follows, where free text cannot write that mark.
  private func closing(_ reasoning: ChatFormat.Reasoning?, then text: AnswerShape) -> AnswerShape {
    guard let mark = reasoning?.closing,
      tokenizer.specialToken(mark).map(tokenizer.isControl) == true
    else { return .text("") }
    return .optional(.sequence([literal(mark), text]))
  }

  private func calls(
    _ tools: [ToolFields.Tool], several: Bool, _ syntax: ToolSyntax
  ) -> AnswerShape {
    let call = AnswerShape.choice(
      tools.map { tool in
        .sequence([
          literal(syntax.callOpening), .text(tool.declaration.name), literal(syntax.afterName),
          tool.arguments, literal(syntax.callClosing),
        ])
      })
    return .sequence([
      literal(syntax.listOpening),
      several ? .list(call, separator: literal(syntax.separator)) : call,
      literal(syntax.listClosing),
    ])
  }

  /// A text in which the names of control tokens stand for these.
  private func literal(_ text: String) -> AnswerShape {
    var parts: [AnswerShape] = []
    var rest = text[...]
    while let match = rest.firstMatch(of: /<｜[^｜]*｜>|<\/?think>/) {
      parts.append(.text(String(rest[..<match.range.lowerBound])))
      let mark = String(match.output)
      if let token = tokenizer.specialToken(mark), tokenizer.isControl(token) {
        parts.append(.mark(token))
      } else {
        parts.append(.text(mark))
      }
      rest = rest[match.range.upperBound...]
    }
    return .sequence(parts + [.text(String(rest))])
  }
}

extension ChatServer {
  /// What a raw prompt comes to.
  func plan(_ body: CompletionsBody) throws(APIError) -> AnswerPlan {
    var plan = AnswerPlan(prompts: [], fields: body.generation)
    for prompt in body.prompts {
      plan.prompts.append(try tokens(of: prompt, suffix: body.suffix))
      guard body.echoes else { continue }
      switch prompt {
      case .text(let text): plan.layout.echo.append(text)
      case .tokens(let tokens): plan.layout.echo.append(tokenizer.decode(tokens))
      }
    }
    plan.shape = body.generation.format.shape
    return plan
  }

  /// The tokens of a raw prompt: special tokens in it count, and it gets one BOS if need be.
  private func tokens(
    of prompt: CompletionsBody.Prompt, suffix: String?
  ) throws(APIError) -> [TokenID] {
    switch prompt {
    case .tokens(let tokens): return tokens
    case .text(let text):
      if let suffix {
        do { return try tokenizer.encode(prefix: text, suffix: suffix) } catch {
          throw .invalid("\(error)", param: "suffix")
        }
      }
      let tokens = tokenizer.encode(text, specials: true, addBOS: tokenizer.addsBOS)
      let repeatsBOS = tokens.count > 1 && tokens[0] == tokenizer.bos && tokens[1] == tokens[0]
      return repeatsBOS ? Array(tokens.dropFirst()) : tokens
    }
  }
}
