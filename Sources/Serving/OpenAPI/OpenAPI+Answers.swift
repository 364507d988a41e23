extension OpenAPI {
  static let answerSchemas = #"""
    "Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"], "properties": {"prompt_tokens": {"$ref": "#/components/schemas/Count"}, "completion_tokens": {"$ref": "#/components/schemas/Count"}, "total_tokens": {"$ref": "#/components/schemas/Count"}, "prompt_tokens_details": {"type": "object", "required": ["cached_tokens"], "properties": {"cached_tokens": {"$ref": "#/components/schemas/Count"}}}, "completion_tokens_details": {"type": "object", "required": ["reasoning_tokens"], "properties": {"reasoning_tokens": {"$ref": "#/components/schemas/Count"}}}}, "additionalProperties": false},
    "Count": {"type": "integer", "minimum": 0},
    "TokenProbability": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {"token": {"type": "string"}, "logprob": {"type": "number", "maximum": 0}, "bytes": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}, "top_logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenProbability"}}}, "additionalProperties": false},
    "ChatCompletion": {
      "type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
      "properties": {
        "id": {"type": "string", "pattern": "^chatcmpl-"}, "object": {"const": "chat.completion"},
        "created": {"type": "integer"}, "model": {"type": "string"},
        "system_fingerprint": {"type": "string", "description": "Names the model and how it computes: equal ones answer equally."},
        "choices": {"type": "array", "minItems": 1, "items": {
          "type": "object", "required": ["index", "message", "logprobs", "finish_reason"],
          "properties": {
            "index": {"$ref": "#/components/schemas/Count"},
            "finish_reason": {"enum": ["stop", "length", "tool_calls"]},
            "logprobs": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["content", "refusal"], "properties": {"content": {"type": "array", "items": {"$ref": "#/components/schemas/TokenProbability"}}, "refusal": {"type": "null"}}}]},
            "message": {"type": "object", "required": ["role", "content", "refusal"], "properties": {"role": {"const": "assistant"}, "content": {"type": ["string", "null"]}, "refusal": {"type": "null"}, "reasoning_content": {"type": "string", "description": "What the model thought first."}, "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}}}, "additionalProperties": false}
          },
          "additionalProperties": false}},
        "usage": {"$ref": "#/components/schemas/Usage"}
      },
      "additionalProperties": false
    },
    "Completion": {
      "type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
      "properties": {
        "id": {"type": "string", "pattern": "^cmpl-"}, "object": {"const": "text_completion"},
        "created": {"type": "integer"}, "model": {"type": "string"},
        "system_fingerprint": {"type": "string"},
        "choices": {"type": "array", "minItems": 1, "items": {
          "type": "object", "required": ["index", "text", "logprobs", "finish_reason"],
          "properties": {
            "index": {"$ref": "#/components/schemas/Count"}, "text": {"type": "string"},
            "finish_reason": {"enum": ["stop", "length"]},
            "logprobs": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["tokens", "token_logprobs", "top_logprobs", "text_offset"], "properties": {"tokens": {"type": "array", "items": {"type": "string"}}, "token_logprobs": {"type": "array", "items": {"type": "number"}}, "top_logprobs": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "number"}}}, "text_offset": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}}}}]}
          },
          "additionalProperties": false}},
        "usage": {"$ref": "#/components/schemas/Usage"}
      },
      "additionalProperties": false
    }
    """#

  static let responseSchemas = #"""
    "Response": {
      "type": "object",
      "required": ["id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "usage", "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "previous_response_id", "reasoning", "store", "temperature", "text", "tool_choice", "tools", "top_p", "truncation"],
      "properties": {
        "id": {"type": "string", "pattern": "^resp_"}, "object": {"const": "response"},
        "created_at": {"type": "integer"}, "status": {"enum": ["completed", "incomplete"]},
        "error": {"type": "null"},
        "incomplete_details": {"type": ["object", "null"], "properties": {"reason": {"const": "max_output_tokens"}}},
        "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
        "output": {"type": "array", "items": {"$ref": "#/components/schemas/OutputItem"}},
        "usage": {"type": "object", "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"], "properties": {"input_tokens": {"$ref": "#/components/schemas/Count"}, "output_tokens": {"$ref": "#/components/schemas/Count"}, "total_tokens": {"$ref": "#/components/schemas/Count"}}},
        "store": {"const": false}, "truncation": {"const": "disabled"},
        "temperature": {"type": "number"}, "top_p": {"type": "number"}
      }
    },
    "OutputItem": {"oneOf": [
      {"type": "object", "required": ["id", "type", "status", "role", "content"], "properties": {"id": {"type": "string"}, "type": {"const": "message"}, "status": {"enum": ["completed", "incomplete"]}, "role": {"const": "assistant"}, "content": {"type": "array", "items": {"type": "object", "required": ["type", "text", "annotations", "logprobs"], "properties": {"type": {"const": "output_text"}, "text": {"type": "string"}, "annotations": {"type": "array"}, "logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenProbability"}}}}}}, "additionalProperties": false},
      {"type": "object", "required": ["id", "type", "status", "call_id", "name", "arguments"], "properties": {"id": {"type": "string"}, "type": {"const": "function_call"}, "status": {"enum": ["completed", "incomplete"]}, "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string"}}, "additionalProperties": false},
      {"type": "object", "required": ["id", "type", "status", "summary", "content"], "properties": {"id": {"type": "string"}, "type": {"const": "reasoning"}, "status": {"enum": ["completed", "incomplete"]}, "summary": {"type": "array"}, "content": {"type": "array", "items": {"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "reasoning_text"}, "text": {"type": "string"}}}}}, "additionalProperties": false}
    ]}
    """#

  static let otherSchemas = #"""
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"], "description": "The field that is wrong."}, "code": {"type": ["string", "null"]}}, "additionalProperties": false}}, "additionalProperties": false},
    "TokenizeAnswer": {"type": "object", "required": ["tokens"], "properties": {"tokens": {"type": "array", "items": {"oneOf": [{"$ref": "#/components/schemas/Count"}, {"type": "object", "required": ["id", "piece"], "properties": {"id": {"$ref": "#/components/schemas/Count"}, "piece": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}]}}, "additionalProperties": false}]}}}, "additionalProperties": false},
    "DetokenizeAnswer": {"type": "object", "required": ["content"], "properties": {"content": {"type": "string"}}, "additionalProperties": false},
    "Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "context_length", "max_model_len"], "properties": {"id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"}, "context_length": {"$ref": "#/components/schemas/Count"}, "max_model_len": {"$ref": "#/components/schemas/Count"}}, "additionalProperties": false},
    "ModelList": {"type": "object", "required": ["object", "data"], "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}, "additionalProperties": false},
    "Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}, "additionalProperties": false},
    "Readiness": {"type": "object", "required": ["status", "problem", "model", "context_length", "requests", "workers"], "properties": {"status": {"enum": ["ready", "unavailable"]}, "problem": {"type": ["string", "null"]}, "model": {"type": "string"}, "context_length": {"$ref": "#/components/schemas/Count"}, "requests": {"type": "object", "required": ["running", "waiting"], "properties": {"running": {"$ref": "#/components/schemas/Count"}, "waiting": {"$ref": "#/components/schemas/Count"}}, "additionalProperties": false}, "workers": {"type": "array", "items": {"type": "object", "required": ["name", "ready", "expert_groups"], "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}, "expert_groups": {"$ref": "#/components/schemas/Count"}}, "additionalProperties": false}}}, "additionalProperties": false}
    """#
}
