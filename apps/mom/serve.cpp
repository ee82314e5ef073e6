#include "mom/serve/serve.h"

#include <memory>

#include "apps/mom/verbs.h"
#include "mom/models/model_spec.h"

namespace mom::app {

void add_serve_verb(CLI::App& app) {
  auto options = std::make_shared<serve::ServeOptions>();
  CLI::App* verb = app.add_subcommand("serve",
                                      "answer OpenAI's HTTP API with a trained model, and show it in a "
                                      "browser; or show runs while they train");
  serve::WorkerOptions& worker = options->worker;
  http::Options& http = options->http;
  verb->add_option("RUN", options->runs,
                   "run folder, or a model folder (also of Hugging Face's Mamba and Llama), several for as "
                   "many models; or a folder with runs and studies in it: a page about them")
      ->required();
  verb->add_option("--codecs", worker.codecs,
                   "folder with a codec per modality, instead of those of the run's data");
  verb->add_option(
          "--weights", worker.weights,
          "for steps of text and codes: float32, bfloat16 or int8; by default as stored in the folder")
      ->check(CLI::IsMember(models::weight_types()));
  verb->add_flag("--last-weights", worker.last_weights,
                 "the weights of the last step, where the run keeps an average (train.ema_decay)");
  add_device_option(*verb, worker.device);
  verb->add_option("--model-id", options->model_ids,
                   "the model's name for clients, once for each RUN; by default the folder's")
      ->expected(1)
      ->take_all();
  verb->add_option("--host", http.address, "address to listen at; one that others reach needs --api-key")
      ->capture_default_str();
  verb->add_option("--port", http.port, "port to listen at; 0: any that is free")->capture_default_str();
  verb->add_option("--unix-socket", http.unix_socket,
                   "a socket in the file system, in place of host and port");
  verb->add_option("--api-key", options->access.api_key, "what clients must send: Authorization: Bearer KEY")
      ->envname("MOM_API_KEY");
  verb->add_option("--allow-host", options->access.hosts, "a further name that clients know the server by");
  verb->add_option("--allow-origin", options->access.origins,
                   "a site whose pages may ask, https://example.org");
  const auto count = [&](const char* name, auto& value, const char* help, double low, double high) {
    verb->add_option(name, value, help)->capture_default_str()->check(CLI::Range(low, high));
  };
  count("--parallel", worker.parallel, "answers generated side by side", 1, 256);
  count("--queue", worker.queue, "requests that may wait; more are answered 429", 1, 100'000);
  count("--max-tokens", worker.max_tokens, "largest max_tokens of a request", 1, 1e6);
  count("--max-prompt-tokens", worker.max_prompt_tokens, "longest prompt, in tokens and patches", 1, 1e7);
  count("--max-pixels", worker.max_pixels, "largest image in a prompt", 1, 1 << 26);
  count("--max-sound-s", worker.max_sound_s, "longest recording in a prompt, in seconds", 1, 3600);
  count("--max-body-mib", options->max_body_mib, "largest body of a request, in MiB", 1, 1024);
  verb->add_option("--cache-mib", worker.cache_bytes,
                   "memory for states of prompts that were read, in MiB; 256 by default")
      ->check(CLI::Range(0, 1 << 20))
      ->transform([](const std::string& text) { return std::to_string(std::stoll(text) << 20); });
  verb->callback([options] { serve::serve(*options); });
}

}  // namespace mom::app
