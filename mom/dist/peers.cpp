#include "mom/dist/peers.h"

#include <algorithm>
#include <charconv>

#include "mom/dist/store.h"

namespace mom::dist {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kBeat{250};
constexpr milliseconds kSilence{1500};  // without a beat: gone or stopped
constexpr milliseconds kFarewell{3000};
constexpr milliseconds kAnswer{2000};  // of the store
constexpr std::string_view kDone = "done: ", kOwn = "own: ", kLost = "lost: ";

std::string key(const char* kind, size_t rank) { return std::string(kind) + "/" + std::to_string(rank); }

// "17 4": the count of beats and the operation.
int64_t operation_of(const std::string& beat) {
  const size_t space = beat.find(' ');
  int64_t operation = 0;
  if (space != std::string::npos)
    std::from_chars(beat.data() + space + 1, beat.data() + beat.size(), operation);
  return operation;
}

std::string name(size_t rank) { return "rank " + std::to_string(rank); }

// "ranks 1, 3"; empty for none.
template <class Condition>
std::string ranks_where(size_t count, const Condition& condition) {
  std::string list;
  int found = 0;
  for (size_t r = 0; r < count; ++r)
    if (condition(r)) list += (found++ ? ", " : "") + std::to_string(r);
  return found ? (found > 1 ? "ranks " : "rank ") + list : "";
}

}  // namespace

Peers::Peers(const Place& place, const c10::intrusive_ptr<c10d::Store>& store)
    : place_(place), store_(store), beats_(store->clone()), asks_(store->clone()) {
  asks_->setTimeout(kAnswer);
  thread_ = std::jthread([this](const std::stop_token& stop) { beat(stop); });
}

Peers::~Peers() {
  const QuietStore quiet;
  leave(Reason::kDone, "");
  if (place_.rank != 0 || place_.served) return;
  try {
    std::vector<Seen> seen = look(*store_, place_.size);
    const auto begin = Clock::now();
    const auto stays = [&](const Seen& each) {
      return each.bye.empty() && (each.moved || Clock::now() < begin + kSilence);
    };
    while (Clock::now() < begin + kFarewell && std::any_of(seen.begin(), seen.end(), stays)) {
      std::this_thread::sleep_for(milliseconds(20));
      look_again(*store_, seen);
    }
  } catch (const std::exception&) {
    // Our own store does not answer: there is nobody to wait for.
  }
}

void Peers::beat(const std::stop_token& stop) {
  const QuietStore quiet;
  try {
    for (int64_t count = 1; !stop.stop_requested(); ++count) {
      beats_->set(key("beat", static_cast<size_t>(place_.rank)),
                  std::to_string(count) + " " + std::to_string(operation_.load()));
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kBeat, [] { return false; });
    }
  } catch (const std::exception&) {
    // The store has gone: the next operation fails, and says so.
  }
}

void Peers::leave(Reason reason, const std::string& why) {
  if (left_) return;
  left_ = true;
  const QuietStore quiet;
  try {
    const std::string_view kind = reason == Reason::kDone       ? kDone
                                  : reason == Reason::kOwnError ? kOwn
                                                                : kLost;
    store_->set(key("bye", static_cast<size_t>(place_.rank)), std::string(kind) + why);
  } catch (const std::exception&) {
    // The store has gone with its rank: there is nobody to tell.
  }
}

std::vector<Peers::Seen> Peers::look(c10d::Store& store, int size) {
  std::vector<Seen> seen(static_cast<size_t>(size));
  look_again(store, seen);
  for (Seen& each : seen) each.moved = false;
  return seen;
}

void Peers::look_again(c10d::Store& store, std::vector<Seen>& seen) {
  const auto read = [&](const std::string& name_of_key) {
    return store.check({name_of_key}) ? store.get_to_str(name_of_key) : "";
  };
  for (size_t r = 0; r < seen.size(); ++r) {
    const std::string beat = read(key("beat", r));
    if (beat != seen[r].beat) seen[r].beat = beat, seen[r].moved = true;
    seen[r].bye = read(key("bye", r));
  }
}

// Until each has left or shown that it lives, or was silent for too long.
std::vector<Peers::Seen> Peers::look_until_clear(c10d::Store& store, int size) {
  std::vector<Seen> seen = look(store, size);
  const auto begin = Clock::now();
  const auto unclear = [](const Seen& each) { return each.bye.empty() && !each.moved; };
  while (Clock::now() < begin + kSilence && std::any_of(seen.begin(), seen.end(), unclear)) {
    std::this_thread::sleep_for(milliseconds(50));
    look_again(store, seen);
  }
  return seen;
}

std::string Peers::blame() {
  try {
    const auto seen = within(kAnswer + kSilence, [store = asks_, size = place_.size] {
      const QuietStore quiet;
      return look_until_clear(*store, size);
    });
    if (seen) return sentence(*seen);
  } catch (const std::exception&) {
    // As when there is no answer.
  }
  const std::string where = place_.host + ":" + std::to_string(place_.port);
  return place_.served ? "the launcher's store at " + where + " does not answer"
                       : "rank 0, which keeps the meeting point " + where + ": gone or stalled";
}

std::string Peers::sentence(const std::vector<Seen>& seen) const {
  const auto list = [&](const auto& condition) {
    return ranks_where(seen.size(),
                       [&](size_t r) { return r != static_cast<size_t>(place_.rank) && condition(seen[r]); });
  };
  for (size_t r = 0; r < seen.size(); ++r)
    if (seen[r].bye.starts_with(kOwn)) return name(r) + " ended: " + seen[r].bye.substr(kOwn.size());
  std::string ranks = list([](const Seen& each) { return each.bye.empty() && !each.moved; });
  if (!ranks.empty()) return ranks + ": gone or stalled";
  ranks = list([](const Seen& each) { return each.bye.starts_with(kDone); });
  if (!ranks.empty()) return ranks + ": ended while others go on";
  ranks = list([&](const Seen& each) { return operation_of(each.beat) < operation_; });
  if (!ranks.empty()) return ranks + ": alive, but late";
  for (const Seen& each : seen)
    if (each.bye.starts_with(kLost)) return each.bye.substr(kLost.size());
  return "";
}

}  // namespace mom::dist
