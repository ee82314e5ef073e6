#include "mom/serve/worker.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"
#include "mom/generate/options.h"
#include "mom/generate/writing.h"
#include "mom/modality/vocabulary.h"
#include "mom/serve/outbox.h"
#include "mom/serve/workers.h"

namespace mom::serve {
namespace {

using generate::LoadedModel;

// An error of the engine names the command line's options; a client knows the fields.
ApiError to_api_error(const Error& error) {
  static const std::pair<const char*, const char*> kFields[] = {
      {"--max-tokens", "max_tokens"},   {"--tokens", "prompt"}, {"--steps", "num_inference_steps"},
      {"--guidance", "guidance_scale"}, {"token ", "prompt"},   {"prompt", "prompt"}};
  std::string message = error.what();
  if (error.code() == ExitCode::kNoResource) return {503, message};
  if (error.code() != ExitCode::kUsage && error.code() != ExitCode::kBadInput) return {500, message};
  for (const auto& [option, field] : kFields) {
    if (!message.starts_with(option)) continue;
    if (message.starts_with("--")) message.replace(0, std::string(option).size(), field);
    return {400, message, field};
  }
  std::string field = message.substr(0, message.find(':'));
  const bool is_field = std::all_of(field.begin(), field.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '[' || c == ']';
  });
  return {400, message, is_field ? std::move(field) : ""};
}

// The field of the request that the prompt came from: "prompt", "input" or "messages".
std::string prompt_field(const generate::Asked& asked) {
  if (asked.parts.empty()) return "prompt";
  const std::string& where = asked.parts.front().where;
  return where.substr(0, where.find('['));
}

ApiError no_tokenizer(const std::string& field) {
  return {400, field + ": this model has no tokenizer; it takes and gives token ids alone", field};
}

// For the log: an error of LibTorch has a list of functions in its text.
std::string in_one_line(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch ? torch->what_without_backtrace() : error.what();
}

Card card_of(const LoadedModel& loaded, const WorkerOptions& options) {
  Card card;
  card.id = model_name(options);
  card.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  card.vocab_size = loaded.spec().vocab_size;
  card.has_vocabulary = !loaded.spec().vocabulary.empty();
  card.has_latents = loaded.spec().latents() != nullptr;
  card.has_text = loaded.codecs().has_text();
  card.max_answers = options.parallel;
  card.max_tokens = options.max_tokens;
  for (const std::string& modality : loaded.spec().modalities)
    card.modalities.push_back({modality, loaded.codecs().media_kind(modality)});
  return card;
}

}  // namespace

struct Worker::Impl {
  struct Job {
    Wish wish;
    std::shared_ptr<Sink> sink;
    std::function<std::string(const LoadedModel&)> task;  // in place of a wish
  };
  // Who waits for a job's answers, told in order by an outbox; after an error, of nothing more.
  struct Told {
    explicit Told(std::shared_ptr<Sink> to) : sink(std::move(to)) {}
    void fail(const ApiError& error) {
      if (!over) sink->failed(error);
      over = true;
    }
    std::shared_ptr<Sink> sink;
    bool over = false;
  };
  // A job whose answers are being written.
  struct Running {
    std::shared_ptr<Told> told;
    std::shared_ptr<Outbox> outbox;
    std::unique_ptr<generate::Writing> writing;
  };

  explicit Impl(WorkerOptions options_in) : options(std::move(options_in)), thread([this] { main(); }) {}
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_one();
    thread.join();
  }

  void main() {
    try {
      loaded =
          std::make_unique<LoadedModel>(options.run, options.codecs, options.last_weights, options.device);
      rules = loaded->rules();
      engine = std::make_unique<generate::Engine>(loaded->network(options.weights), rules,
                                                  generate::EngineOptions{options.cache_bytes});
      card = card_of(*loaded, options);  // opens the codecs, all but text's
      if (loaded->codecs().has_text())
        loaded->codecs().encode_text("a");  // from now on only read, by two threads
      set_state(State::kReady);
    } catch (const Error& error) {
      fail_to_load(error.what(), static_cast<int>(error.code()));
      return;
    } catch (const std::exception& error) {
      fail_to_load(error.what(), static_cast<int>(ExitCode::kInternal));
      return;
    }
    while (take_jobs()) {
      leave_abandoned();
      advance();
      publish();
    }
    engine->cancel_all();
    for (const Running& one : running) fail(one, {503, "the server is shutting down"});
    for (const Job& job : queue) job.sink->failed({503, "the server is shutting down"});
    running.clear();
    queue.clear();
  }

  void set_state(State value) {
    const std::lock_guard lock(mutex);
    state = value;
  }
  void fail_to_load(const std::string& message, int code) {
    const std::lock_guard lock(mutex);
    state = State::kFailed;
    failure = message;
    failure_code = code;
  }

  // Waits while there is nothing to do. False: the end.
  bool take_jobs() {
    std::vector<Job> taken;
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return stop || !queue.empty() || !running.empty(); });
      if (stop) return false;
      std::erase_if(queue, [&](const Job& job) { return job.sink->gone() && ++counts.abandoned; });
      size_t answers = engine->num_sequences();
      while (!queue.empty()) {
        const auto count = queue.front().task ? size_t{0} : static_cast<size_t>(queue.front().wish.count);
        if (answers > 0 && answers + count > static_cast<size_t>(options.parallel)) break;
        answers += count;
        taken.push_back(std::move(queue.front()));
        queue.pop_front();
      }
    }
    for (Job& job : taken) {
      const std::shared_ptr<Sink> sink = job.sink;
      guarded(*sink, [&] { job.task ? run_task(job) : begin(job); });
    }
    return true;
  }

  // What goes wrong with one job ends that job. Who is told of an end finds it counted when it asks.
  bool guarded(Sink& sink, const auto& function) {
    std::optional<ApiError> wrong;
    try {
      function();
      return true;
    } catch (const ApiError& error) {
      wrong = error;
    } catch (const Error& error) {
      wrong = to_api_error(error);
    } catch (const std::exception& error) {
      log_warning("a request failed: " + in_one_line(error));
      wrong = {500, "the request could not be computed"};
    }
    ++counts.failed;
    publish();
    sink.failed(*wrong);
    return false;
  }

  void run_task(const Job& job) {
    std::string answer = job.task(*loaded);
    ++counts.finished;
    publish();
    job.sink->event({.kind = Event::Kind::kText, .data = std::move(answer)});
    job.sink->done({});
  }

  void check_sizes(const Wish& wish) const {
    for (const generate::PromptPart& part : wish.asked.parts) {
      if (part.modality == modality::kTextName && !card.has_text)
        throw no_tokenizer(prompt_field(wish.asked));
      const auto bytes = std::as_bytes(std::span(part.content));
      const codecs::MediaKind kind = loaded->codecs().media_kind(part.modality);
      if (kind == codecs::MediaKind::kImage)
        formats::decode_image(bytes, part.where, {.max_pixels = options.max_pixels});
      if (kind == codecs::MediaKind::kSound)
        formats::read_sound_info(bytes, part.where, {.max_seconds = options.max_sound_s});
    }
  }

  void begin(Job& job) {
    check_sizes(job.wish);
    const generate::Request request =
        generate::make_request(job.wish.asked, loaded->spec(), rules, loaded->codecs(), loaded->folder());
    const int64_t positions = generate::positions_of(request.prompt, loaded->spec());
    if (positions > options.max_prompt_tokens)
      throw ApiError(400,
                     "the prompt has " + std::to_string(positions) + " tokens, more than " +
                         std::to_string(options.max_prompt_tokens),
                     prompt_field(job.wish.asked), "context_length_exceeded");
    Running one{std::make_shared<Told>(job.sink), std::make_shared<Outbox>(slow), nullptr};
    one.writing = std::make_unique<generate::Writing>(
        std::move(job.wish), request, *loaded, *engine,
        [this, told = one.told, outbox = one.outbox](Event event, std::optional<generate::Segment> encoded) {
          tell(told, *outbox, std::move(event), std::move(encoded));
        });
    running.push_back(std::move(one));
  }

  void tell(const std::shared_ptr<Told>& told, Outbox& outbox, Event event,
            std::optional<generate::Segment> encoded) {
    const bool encodes = encoded.has_value();
    outbox.post(
        [this, told, event = std::move(event), encoded = std::move(encoded)]() mutable {
          if (told->over || told->sink->gone()) return;
          try {
            if (encoded) event.data = generate::data_of(event.kind, *encoded, loaded->codecs());
            told->sink->event(std::move(event));
          } catch (const std::exception& error) {
            log_warning("an answer could not be decoded: " + in_one_line(error));
            told->fail({500, "the answer could not be decoded"});
          }
        },
        encodes);
  }

  static void fail(const Running& one, const ApiError& error) {
    one.outbox->post([told = one.told, error] { told->fail(error); }, false);
  }

  void leave_abandoned() {
    std::erase_if(running, [&](const Running& one) { return one.told->sink->gone() && ++counts.abandoned; });
  }

  void advance() {
    try {
      engine->step();
    } catch (const std::exception& error) {
      log_warning("a step failed, and with it all that was being generated: " + in_one_line(error));
      engine->cancel_all();
      counts.failed += std::ssize(running);
      const std::vector<Running> failed = std::exchange(running, {});
      publish();
      for (const Running& one : failed) fail(one, {500, "the request could not be computed"});
    }
    const auto first = std::stable_partition(running.begin(), running.end(),
                                             [](const Running& one) { return !one.writing->ended(); });
    if (first == running.end()) return;
    const std::vector<Running> ended(std::make_move_iterator(first), std::make_move_iterator(running.end()));
    running.erase(first, running.end());
    counts.finished += std::ssize(ended);
    publish();
    for (const Running& one : ended) {
      const Usage usage{one.writing->prompt_positions(), one.writing->written_positions()};
      one.outbox->post(
          [told = one.told, usage] {
            if (!told->over) told->sink->done(usage);
          },
          false);
    }
  }

  // After a step, but where jobs only go on, at most every 10 ms.
  void publish() {
    const auto time = std::chrono::steady_clock::now();
    const std::tuple state_now(running.size(), counts.finished, counts.abandoned, counts.failed);
    if (state_now == published_state && time < next_publication) return;
    published_state = state_now;
    next_publication = time + std::chrono::milliseconds(10);
    WorkerStats now = counts;
    for (const generate::SequenceView& one : engine->sequences())
      now.slots.push_back({one.id, one.prompt_tokens, one.read_tokens, one.written_tokens});
    now.jobs = running.size();
    now.read_tokens = engine->counts().read_tokens;
    now.reused_tokens = engine->counts().reused_tokens;
    now.written_tokens = engine->counts().written_tokens;
    now.steps = engine->counts().steps;
    now.cached_prompts = engine->cache().size();
    now.cached_bytes = engine->cache().num_bytes();
    const std::lock_guard lock(mutex);
    published = std::move(now);
  }

  bool submit(Job job) {
    {
      const std::lock_guard lock(mutex);
      if (stop || state != State::kReady || queue.size() >= options.queue) {
        ++refused;
        return false;
      }
      ++accepted;
      queue.push_back(std::move(job));
    }
    wake.notify_one();
    return true;
  }

  const WorkerOptions options;
  // Of the engine's thread.
  std::unique_ptr<LoadedModel> loaded;
  generate::DocumentRules rules;
  std::unique_ptr<generate::Engine> engine;
  std::vector<Running> running;
  WorkerStats counts;
  std::tuple<size_t, int64_t, int64_t, int64_t> published_state;
  std::chrono::steady_clock::time_point next_publication;
  // Shared.
  Card card;  // written before the state is kReady
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> queue;
  State state = State::kLoading;
  std::string failure;
  int failure_code = 0;
  bool stop = false;
  WorkerStats published;
  int64_t accepted = 0, refused = 0;
  SlowThread slow;
  std::thread thread;  // last: it uses the others
};

Worker::Worker(WorkerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Worker::~Worker() = default;

Worker::State Worker::state() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->state;
}
std::string Worker::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}
int Worker::failure_code() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure_code;
}
const Card& Worker::card() const { return impl_->card; }
const WorkerOptions& Worker::options() const { return impl_->options; }

bool Worker::submit(Wish wish, std::shared_ptr<Sink> sink) {
  return impl_->submit({std::move(wish), std::move(sink), {}});
}

bool Worker::submit_tokenize(std::string text, bool add_special, std::shared_ptr<Sink> sink) {
  return impl_->submit(
      {{}, std::move(sink), [text = std::move(text), add_special](const LoadedModel& loaded) {
         if (!loaded.codecs().has_text()) throw no_tokenizer("content");
         OrderedJson tokens = OrderedJson::array();
         if (const std::optional<int32_t> bos = loaded.codecs().bos(); bos && add_special)
           tokens.push_back(*bos);
         for (const int32_t token : loaded.codecs().encode_text(text)) tokens.push_back(token);
         return OrderedJson{{"tokens", tokens}}.dump();
       }});
}

bool Worker::submit_detokenize(std::vector<int64_t> tokens, std::shared_ptr<Sink> sink) {
  return impl_->submit({{}, std::move(sink), [tokens = std::move(tokens)](const LoadedModel& loaded) {
                          const modality::Vocabulary& vocabulary = loaded.spec().vocabulary;
                          std::vector<int32_t> text;  // codes of other modalities are none
                          for (const int64_t token : tokens)
                            if (vocabulary.empty() || vocabulary.text()->contains(token))
                              text.push_back(static_cast<int32_t>(token));
                          return OrderedJson{{"content", loaded.codecs().text_of(text)}}.dump();
                        }});
}

WorkerStats Worker::stats() const {
  const std::lock_guard lock(impl_->mutex);
  WorkerStats stats = impl_->published;
  stats.waiting = impl_->queue.size();
  stats.accepted = impl_->accepted;
  stats.refused = impl_->refused;
  return stats;
}

}  // namespace mom::serve
