extension OpenAPI {
  /// Members that all three answering routes take.
  private static let generationMembers = #"""
    "model": {"type": ["string", "null"], "description": "The name of this server's model, or nothing."},
    "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
    "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "top_k": {"type": ["integer", "null"], "minimum": -1, "maximum": 9223372036854775807, "description": "0 and -1: all."},
    "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "repetition_penalty": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 10},
    "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
    "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
    "penalty_window": {"type": ["integer", "null"], "minimum": 0, "maximum": 1048576, "description": "How many of the last tokens count for the penalties."},
    "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807, "description": "The same request with the same seed has the same answer; -1: a random one."},
    "logit_bias": {"type": ["object", "null"], "maxProperties": 1024, "propertyNames": {"pattern": "^[0-9]{1,9}$"}, "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
    "stop": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/StopString"}, {"type": "array", "maxItems": 16, "items": {"$ref": "#/components/schemas/StopString"}}]},
    "ignore_eos": {"type": ["boolean", "null"], "description": "Go on after the model has ended its answer; for measurements."},
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {"type": ["object", "null"], "description": "Only with stream true.", "properties": {"include_usage": {"type": ["boolean", "null"]}, "include_obfuscation": {"type": ["boolean", "null"]}}, "additionalProperties": {"type": "null"}},
    "metadata": {}, "parallel_tool_calls": {}, "prompt_cache_key": {}, "prompt_cache_retention": {},
    "safety_identifier": {}, "service_tier": {}, "user": {}, "verbosity": {}
    """#

  private static let completionMembers = #"""
    "max_tokens": {"$ref": "#/components/schemas/TokenLimit"},
    "max_completion_tokens": {"$ref": "#/components/schemas/TokenLimit"},
    "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 16},
    "response_format": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/ResponseFormat"}]},
    "store": {}
    """#

  static let requestSchemas = #"""
    "StopString": {"type": "string", "minLength": 1, "maxLength": 1024},
    "TokenLimit": {"type": ["integer", "null"], "minimum": 1, "maximum": 9223372036854775807},
    "ChatRequest": {
      "type": "object", "required": ["messages"],
      "properties": {
        \#(generationMembers.replacing(#""parallel_tool_calls": {}, "#, with: "")),
        \#(completionMembers),
        "messages": {"type": "array", "minItems": 1, "maxItems": 4096, "items": {"$ref": "#/components/schemas/Message"}},
        "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"$ref": "#/components/schemas/Tool"}},
        "tool_choice": {"oneOf": [{"type": "null"}, {"enum": ["none", "auto", "required"]}, {"$ref": "#/components/schemas/NamedTool"}]},
        "parallel_tool_calls": {"type": ["boolean", "null"]},
        "logprobs": {"type": ["boolean", "null"]},
        "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
        "modalities": {"type": ["array", "null"], "minItems": 1, "maxItems": 1, "items": {"const": "text"}},
        "thinking": {"type": ["object", "null"], "properties": {"type": {"enum": ["enabled", "disabled", "auto", null]}, "budget_tokens": {"type": ["integer", "null"]}}, "additionalProperties": {"type": "null"}},
        "reasoning_effort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", null]},
        "chat_template_kwargs": {"type": ["object", "null"], "properties": {"thinking": {"type": ["boolean", "null"]}, "enable_thinking": {"type": ["boolean", "null"]}}, "additionalProperties": {"type": "null"}}
      },
      "additionalProperties": {"type": "null"}
    },
    "TokenIDs": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
    "CompletionRequest": {
      "type": "object", "required": ["prompt"],
      "properties": {
        \#(generationMembers), \#(completionMembers),
        "prompt": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/TokenIDs"}, {"type": "array", "minItems": 1, "maxItems": 32, "items": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/TokenIDs"}]}}]},
        "suffix": {"type": ["string", "null"], "description": "What follows the gap, for models that can fill one."},
        "echo": {"type": ["boolean", "null"], "description": "Whether answers begin with their prompts; not with logprobs."},
        "best_of": {"type": ["integer", "null"], "minimum": 1, "maximum": 16, "description": "Must be n."},
        "logprobs": {"oneOf": [{"type": ["integer", "null"], "minimum": 0, "maximum": 20}, {"const": false}]}
      },
      "additionalProperties": {"type": "null"}
    },
    "ResponseRequest": {
      "type": "object", "required": ["input"],
      "properties": {
        \#(generationMembers.replacing(#""parallel_tool_calls": {}, "#, with: "")),
        "input": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "maxItems": 4096, "items": {"$ref": "#/components/schemas/InputItem"}}]},
        "instructions": {"type": ["string", "null"]},
        "max_output_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 1073741824},
        "max_tool_calls": {},
        "text": {"type": ["object", "null"], "properties": {"format": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/TextFormat"}]}, "verbosity": {"enum": ["low", "medium", "high", null]}}, "additionalProperties": {"type": "null"}},
        "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"$ref": "#/components/schemas/FlatTool"}},
        "tool_choice": {"oneOf": [{"type": "null"}, {"enum": ["none", "auto", "required"]}, {"$ref": "#/components/schemas/FlatNamedTool"}]},
        "parallel_tool_calls": {"type": ["boolean", "null"]},
        "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
        "include": {"type": ["array", "null"], "items": {"enum": ["message.output_text.logprobs", "reasoning.encrypted_content"]}},
        "reasoning": {"type": ["object", "null"], "properties": {"effort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", null]}, "summary": {"enum": ["auto", "concise", "detailed", null]}, "generate_summary": {"enum": ["auto", "concise", "detailed", null]}}, "additionalProperties": {"type": "null"}},
        "truncation": {"enum": ["disabled", null]},
        "store": {"enum": [false, null], "description": "This server keeps no responses."},
        "background": {"enum": [false, null]}
      },
      "additionalProperties": {"type": "null"}
    },
    "TokenizeRequest": {
      "type": "object",
      "properties": {
        "model": {"type": ["string", "null"]},
        "content": {"type": ["string", "null"], "description": "A text; messages must be absent then."},
        "prompt": {"type": ["string", "null"], "description": "Another name of content."},
        "messages": {"type": ["array", "null"], "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
        "add_special": {"type": ["boolean", "null"], "description": "Whether the text gets a BOS."},
        "parse_special": {"type": ["boolean", "null"], "description": "Whether names of special tokens are these tokens."},
        "with_pieces": {"type": ["boolean", "null"]}
      },
      "anyOf": [{"required": ["content"]}, {"required": ["prompt"]}, {"required": ["messages"]}],
      "additionalProperties": {"type": "null"}
    },
    "DetokenizeRequest": {
      "type": "object", "required": ["tokens"],
      "properties": {
        "model": {"type": ["string", "null"]},
        "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}
      },
      "additionalProperties": {"type": "null"}
    }
    """#

  static let messageSchemas = #"""
    "Content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/TextPart"}}]},
    "TextPart": {"oneOf": [
      {"type": "object", "required": ["type", "text"], "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": {"type": "string"}}},
      {"type": "object", "required": ["type", "refusal"], "properties": {"type": {"const": "refusal"}, "refusal": {"type": "string"}}}
    ]},
    "Message": {"oneOf": [
      {"type": "object", "required": ["role", "content"], "properties": {"role": {"enum": ["system", "developer", "user"]}, "content": {"$ref": "#/components/schemas/Content"}, "name": {}, "refusal": {}, "annotations": {}, "audio": {}, "function_call": {}, "provider_specific_fields": {}, "reasoning": {}, "reasoning_details": {}, "thinking_blocks": {}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["role"], "properties": {"role": {"const": "assistant"}, "content": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Content"}]}, "reasoning_content": {"type": ["string", "null"]}, "tool_calls": {"type": ["array", "null"], "maxItems": 128, "items": {"$ref": "#/components/schemas/ToolCall"}}, "name": {}, "refusal": {}, "annotations": {}, "audio": {}, "function_call": {}, "provider_specific_fields": {}, "reasoning": {}, "reasoning_details": {}, "thinking_blocks": {}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["role", "content", "tool_call_id"], "properties": {"role": {"const": "tool"}, "content": {"$ref": "#/components/schemas/Content"}, "tool_call_id": {"type": "string"}, "name": {}}, "additionalProperties": {"type": "null"}}
    ]},
    "ToolCall": {"type": "object", "required": ["id", "function"], "properties": {"id": {"type": "string"}, "type": {"enum": ["function", null]}, "index": {}, "function": {"type": "object", "required": ["name", "arguments"], "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}, "additionalProperties": {"type": "null"}}}, "additionalProperties": {"type": "null"}},
    "InputItem": {"oneOf": [
      {"type": "object", "required": ["role", "content"], "properties": {"type": {"enum": ["message", null]}, "role": {"enum": ["system", "developer", "user", "assistant"]}, "content": {"$ref": "#/components/schemas/Content"}, "id": {}, "status": {}, "name": {}, "phase": {}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type", "call_id", "name", "arguments"], "properties": {"type": {"const": "function_call"}, "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string"}, "id": {}, "status": {}, "phase": {}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type", "call_id", "output"], "properties": {"type": {"const": "function_call_output"}, "call_id": {"type": "string"}, "output": {"$ref": "#/components/schemas/Content"}, "id": {}, "status": {}, "name": {}, "phase": {}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type"], "properties": {"type": {"const": "reasoning"}}}
    ]}
    """#

  static let formatSchemas = #"""
    "Name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "JSONSchema": {"type": ["object", "boolean"], "description": "Supported are type, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, enum, const, anyOf, oneOf of different types or constants, allOf of one, $ref into the same schema, minLength, maxLength, pattern without groups that look ahead, behind or back, bounds of integers and numbers, and the formats date, time, date-time, duration, uuid, ipv4, ipv6, hostname and email. Other formats and annotations are not kept to; other keywords are refused with strict true, and left out without it."},
    "ResponseFormat": {"oneOf": [
      {"type": "object", "required": ["type"], "properties": {"type": {"const": "text"}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type"], "properties": {"type": {"const": "json_object"}, "schema": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/JSONSchema"}]}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type", "json_schema"], "properties": {"type": {"const": "json_schema"}, "json_schema": {"type": "object", "required": ["name", "schema"], "properties": {"name": {"$ref": "#/components/schemas/Name"}, "description": {"type": ["string", "null"]}, "strict": {"type": ["boolean", "null"]}, "schema": {"$ref": "#/components/schemas/JSONSchema"}}}}, "additionalProperties": {"type": "null"}}
    ]},
    "TextFormat": {"oneOf": [
      {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}, "additionalProperties": {"type": "null"}},
      {"type": "object", "required": ["type", "name", "schema"], "properties": {"type": {"const": "json_schema"}, "name": {"$ref": "#/components/schemas/Name"}, "description": {"type": ["string", "null"]}, "strict": {"type": ["boolean", "null"]}, "schema": {"$ref": "#/components/schemas/JSONSchema"}}, "additionalProperties": {"type": "null"}}
    ]},
    "Function": {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/components/schemas/Name"}, "description": {"type": ["string", "null"]}, "parameters": {"type": ["object", "null"], "description": "Arguments are kept to what can be kept of it; with strict true an unsupported schema is refused."}, "strict": {"type": ["boolean", "null"]}, "type": {}}, "additionalProperties": {"type": "null"}},
    "Tool": {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": {"$ref": "#/components/schemas/Function"}}, "additionalProperties": {"type": "null"}},
    "FlatTool": {"type": "object", "required": ["type", "name"], "properties": {"type": {"const": "function"}, "name": {"$ref": "#/components/schemas/Name"}, "description": {"type": ["string", "null"]}, "parameters": {"type": ["object", "null"]}, "strict": {"type": ["boolean", "null"]}}, "additionalProperties": {"type": "null"}},
    "NamedTool": {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/components/schemas/Name"}}, "additionalProperties": {"type": "null"}}}, "additionalProperties": {"type": "null"}},
    "FlatNamedTool": {"type": "object", "required": ["type", "name"], "properties": {"type": {"const": "function"}, "name": {"$ref": "#/components/schemas/Name"}}, "additionalProperties": {"type": "null"}}
    """#
}
