"""Runs llama.cpp's own server tests against `conclave serve`, as a pytest plugin.

    python llama_server_tests.py COMMAND MODEL FOLDER [pytest arguments]

FOLDER is `tools/server/tests` of llama.cpp's sources. Needs pytest and what its requirements.txt lists.

The tests are about a server of one tiny model, so two things are replaced: how the server is started,
and the check of texts that only that model writes. Tests run that speak the API which both servers
have; the others (`/completion`, slots, its own fields) are left out by the list below, with a reason.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

FILES = ["test_basic", "test_chat_completion", "test_completion", "test_tokenize", "test_security",
         "test_compat_oai_responses"]

LEFT_OUT = {
    # llama.cpp's own routes and fields
    "test_server_props": "/props", "test_server_slots": "/slots", "test_load_split_model": "its model files",
    "test_server_multiple_addresses": "several addresses", "test_server_model_aliases_and_tags": "tags",
    "test_no_ui": "its page", "test_access_static_assets_without_api_key": "its page",
    "test_chat_completion": "counts of tokens of its model",
    "test_chat_completion_stream": "counts of tokens of its model",
    "test_chat_completion_cached_tokens": "counts of tokens of its model",
    "test_chat_template": "/props", "test_chat_template_assistant_prefill": "templates are fixed",
    "test_chat_template_continue_final_message_vllm_compat": "continue_final_message",
    "test_chat_template_continue_final_message_mutual_exclusion": "continue_final_message",
    "test_apply_chat_template": "/apply-template", "test_completion_with_grammar": "grammar",
    "test_completion_with_invalid_grammar": "grammar",
    "test_chat_completion_with_timings_per_token": "timings", "test_return_progress": "its progress",
    "test_context_size_exceeded": "its error type", "test_context_size_exceeded_stream": "its error type",
    "test_chat_completions_token_count": "input_tokens", "test_verbose_debug": "verbose",
    "test_correct_api_key_anthropic_header": "its header", "test_local_media_file": "media",
    "test_cors_options": "no other origin may ask", "test_responses_stream_with_llama_telemetry": "telemetry",
    "test_cors_origins_localhost_reflects": "no other origin may ask",
    "test_cors_origins_localhost_rejects": "no other origin may ask",
    "test_cors_origins_defaults_to_localhost_with_tools_enabled": "its tools",
    "test_cors_proxy_only_forwards_explicit_proxy_headers": "its proxy",
    "test_correct_api_key": "/completion",
    "test_tokenize_with_bos": "its token of the beginning",
    # /completion
    **{name: "/completion" for name in (
        "test_completion", "test_completion_stream", "test_completion_stream_vs_non_stream",
        "test_consistent_result_same_seed", "test_different_result_different_seed",
        "test_consistent_result_different_batch_size", "test_cache_vs_nocache_prompt",
        "test_nocache_long_input_prompt", "test_json_prompt_no_mtmd",
        "test_json_prompt_mtm_error_when_not_supported", "test_completion_with_tokens_input",
        "test_completion_parallel_slots", "test_completion_unified", "test_completion_response_fields",
        "test_n_probs", "test_n_probs_stream", "test_n_probs_post_sampling",
        "test_n_probs_post_backend_sampling", "test_cancel_request", "test_completion_prompt_cache")},
    "test_completion.py::test_logit_bias": "/completion",
    # Both are right, or both have a case for theirs.
    "test_completion_with_json_schema": "json_schema outside of response_format",
    "test_completion_with_response_format[response_format1": "items as a list",
    "test_completion_with_response_format[response_format2": "OpenAI wants a schema to have a name",
    "test_invalid_chat_completion_req[messages7]": "two answers in a row are a chat",
    "test_chat_completion_with_openai_library": "its fingerprint",
    "test_completion_with_openai_library": "its fingerprint",
    "test_logprobs": "it keeps the blank before an answer",
    "test_logprobs_stream": "the first chunk's content is empty, as OpenAI's, and not null",
    "test_openai_library_correct_api_key": "a base URL without /v1",
    "test_incorrect_api_key": "its error type; OpenAI's is invalid_request_error",
}

NAMES = ["gpt-3.5-turbo", "gpt-3.5-turbo-instruct", "davinci-002", "gpt-4.1"]


def pytest_configure(config):
    import openai  # noqa: F401  (before the tests' own modules)
    import utils

    utils.ServerPreset.load_all = staticmethod(lambda: None)
    utils.match_regex = lambda expression, text: True
    utils.ServerProcess.start = start
    plain = utils.ServerProcess.make_url

    def make_url(self, path, host=None):
        ours = path.startswith(("/chat/", "/completions", "/responses", "/models"))
        return plain(self, "/v1" + path if ours else path, host)

    utils.ServerProcess.make_url = make_url
    request = utils.ServerProcess.make_request

    def make_request(self, method, path, data=None, *rest, **more):
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key != "id_slot"}
        return request(self, method, path, data, *rest, **more)

    utils.ServerProcess.make_request = make_request


def pytest_collection_modifyitems(items, config):
    import pytest

    for item in items:
        name = item.originalname or item.name
        reason = LEFT_OUT.get(f"{item.path.name}::{name}") or LEFT_OUT.get(name) or next(
            (reason for left, reason in LEFT_OUT.items() if "[" in left and item.name.startswith(left)), None)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def start(self, timeout_seconds=30):
    """Starts `conclave serve` as this server."""
    import utils

    command = [os.environ["CONCLAVE"], "serve", os.environ["CONCLAVE_MODEL"], "--http",
               f"{self.server_host}:{self.server_port}", "--context", "512"]
    if self.model_alias:
        command += ["--name", self.model_alias]
    if "test_basic" not in os.environ["PYTEST_CURRENT_TEST"]:
        command += [part for name in NAMES for part in ("--alias", name)]
    if self.api_key:
        keys = pathlib.Path(tempfile.mkdtemp(), "keys")
        key = subprocess.run([command[0], "keys", "api", "new", "tests", "--file", keys],
                             capture_output=True, text=True, check=True).stdout.strip()
        command += ["--keys", str(keys)]
        self.api_key = key
        for module in list(sys.modules.values()):
            if getattr(module, "TEST_API_KEY", None):
                module.TEST_API_KEY = key
    self._log = sys.stdout
    self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    utils.server_instances.add(self)
    deadline = time.time() + timeout_seconds
    while time.time() < deadline:
        try:
            if self.make_request("GET", "/health").status_code == 200:
                return
        except utils.requests.ConnectionError:
            pass
        assert self.process.poll() is None, "the server ended"
        time.sleep(0.05)
    raise TimeoutError("the server is not ready")


if __name__ == "__main__":
    command, model, folder = sys.argv[1:4]
    here = pathlib.Path(__file__).resolve().parent
    environment = {**os.environ, "CONCLAVE": str(pathlib.Path(command).resolve()),
                   "CONCLAVE_MODEL": str(pathlib.Path(model).resolve()),
                   "PYTHONPATH": f"{here}:{pathlib.Path(folder).resolve()}"}
    tests = [f"unit/{name}.py" for name in FILES]
    sys.exit(subprocess.run(
        [sys.executable, "-m", "pytest", "-p", pathlib.Path(__file__).stem, "-q", "-rs", *tests, *sys.argv[4:]],
        cwd=folder, env=environment).returncode)
