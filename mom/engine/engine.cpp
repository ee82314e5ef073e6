#include "mom/engine/engine.h"

#include <c10/util/Exception.h>

#include <exception>
#include <map>
#include <utility>

#include "mom/base/error.h"
#include "mom/codecs/media.h"
#include "mom/generate/options.h"
#include "mom/generate/writing.h"

namespace mom::engine {
namespace {

// An error of LibTorch has a list of functions in its text.
template <class Function>
auto in_one_line(const Function& function) {
  try {
    return function();
  } catch (const c10::Error& error) {
    throw Error(ExitCode::kInternal, error.what_without_backtrace());
  }
}

}  // namespace

struct Engine::Impl {
  generate::LoadedModel model;
  generate::DocumentRules rules;
  generate::Engine engine;
  std::map<Id, std::unique_ptr<generate::Writing>> writings;
  Id last_id = 0;
  std::map<Id, std::exception_ptr> failures;  // of listeners

  Impl(const std::string& run, const Options& options)
      : model(run, options.codecs, options.last_weights, options.device),
        rules(model.rules()),
        engine(model.network(options.weights), rules, {options.cache_bytes}) {}

  // An exception must not pass through the engine's step, which others share.
  void tell(Id id, const Listener& listener, generate::Event event,
            const std::optional<generate::Segment>& encoded) {
    if (failures.count(id)) return;
    try {
      if (encoded) event.data = generate::data_of(event.kind, *encoded, model.codecs());
      listener(event);
    } catch (...) {
      failures[id] = std::current_exception();
    }
  }
};

Engine::Engine(const std::string& run, const Options& options)
    : impl_(in_one_line([&] { return std::make_unique<Impl>(run, options); })) {}
Engine::~Engine() = default;

Id Engine::add(generate::Wish wish, Listener listener) {
  Impl& impl = *impl_;
  return in_one_line([&] {
    const generate::Request request = generate::make_request(wish.asked, impl.model.spec(), impl.rules,
                                                             impl.model.codecs(), impl.model.folder());
    const Id id = ++impl.last_id;
    impl.writings[id] = std::make_unique<generate::Writing>(
        std::move(wish), request, impl.model, impl.engine,
        [&impl, id, listener = std::move(listener)](generate::Event event,
                                                    const std::optional<generate::Segment>& encoded) {
          impl.tell(id, listener, std::move(event), encoded);
        });
    return id;
  });
}

void Engine::cancel(Id id) { impl_->writings.erase(id); }

bool Engine::step() {
  Impl& impl = *impl_;
  const bool stepped = in_one_line([&] { return impl.engine.step(); });
  std::erase_if(impl.writings,
                [&](const auto& one) { return one.second->ended() || impl.failures.count(one.first) > 0; });
  if (impl.failures.empty()) return stepped;
  const std::exception_ptr first = impl.failures.begin()->second;
  impl.failures.clear();
  std::rethrow_exception(first);
}

}  // namespace mom::engine
