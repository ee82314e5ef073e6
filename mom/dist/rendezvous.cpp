#include "mom/dist/rendezvous.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include "mom/dist/gloo_group.h"
#include "mom/dist/store.h"

namespace mom::dist {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

constexpr const char* kOk = "ok";
constexpr milliseconds kLinger{2000};  // rank 0, after bad news
constexpr milliseconds kSlack{1000};   // beyond the timeouts that c10d keeps by itself

std::string where(const Place& place) { return place.host + ":" + std::to_string(place.port); }
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }
std::string seconds(milliseconds time) { return std::to_string(time.count() / 1000) + " s"; }

// The numeric address that this machine has on its way to MASTER_ADDR, which the other ranks reach likewise.
std::string own_address(const Place& place) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  const int error = ::getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
  if (error != 0)
    throw UserError({"MASTER_ADDR", "the name or address of rank 0's machine",
                     "'" + place.host + "': " + ::gai_strerror(error), ""});
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* each = found; each; each = each->ai_next) {
    const int fd = ::socket(each->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    sockaddr_storage own = {};
    socklen_t size = sizeof own;
    char text[NI_MAXHOST] = "";
    // Nothing is sent: connecting a datagram socket only looks up the route.
    const bool known = ::connect(fd, each->ai_addr, each->ai_addrlen) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
                       ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0,
                                     NI_NUMERICHOST) == 0;
    ::close(fd);
    if (known) return text;
  }
  throw UserError({"MASTER_ADDR", "a machine that this one has a route to", "'" + place.host + "'", ""});
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

StorePtr open_store(const Place& place, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.isServer = place.rank == 0 && !place.served;
  options.waitWorkers = false;
  if (options.isServer && place.listening >= 0) options.masterListenFd = place.listening;
  options.timeout = timeout;
  std::string error;
  try {
    const auto store = within(timeout + kSlack, [place, options] {
      const QuietStore quiet;
      return c10::make_intrusive<c10d::TCPStore>(place.host, options);
    });
    if (store) return c10::make_intrusive<c10d::PrefixStore>(place.attempt, *store);
  } catch (const std::exception& thrown) {
    error = thrown.what();
  }
  if (options.isServer)
    throw UserError("MASTER_PORT: rank 0 cannot open port " + std::to_string(place.port) + " (" +
                    (error.find("EADDRINUSE") != std::string::npos ? "it is in use" : first_line(error)) +
                    "); choose another port");
  throw UserError(
      "MASTER_ADDR, MASTER_PORT: " + std::string(place.served ? "the launcher's store" : "rank 0") +
      " does not answer at " + where(place) + " within " + seconds(timeout) +
      "; start all ranks with the same address and port, and look at the log of rank 0");
}

std::string here(int rank) { return "here/" + std::to_string(rank); }

// Rank 0's finding when all have come or the time is over: kOk or what is wrong.
std::string call_roll(const Place& place, c10d::Store& store, milliseconds timeout) {
  const auto end = Clock::now() + timeout;
  std::string missing;
  int num_missing = 0;
  for (int rank = 0; rank < place.size; ++rank) {
    bool came = store.check({here(rank)});
    for (; !came && Clock::now() < end; came = store.check({here(rank)}))
      std::this_thread::sleep_for(milliseconds(20));
    if (!came) missing += (num_missing++ ? ", " : "") + std::to_string(rank);
  }
  if (num_missing > 0)
    return "WORLD_SIZE: " + std::string(num_missing > 1 ? "ranks " : "rank ") + missing + " of " +
           std::to_string(place.size) + " did not come to " + where(place) + " within " + seconds(timeout) +
           "; start them, or set WORLD_SIZE to the number of processes";
  int loopback = 0;
  for (int rank = 0; rank < place.size; ++rank) loopback += is_loopback(store.get_to_str(here(rank)));
  if (loopback != 0 && loopback != place.size)
    return "MASTER_ADDR: '" + place.host + "' is the loopback address on " + std::to_string(loopback) +
           " of " + std::to_string(place.size) +
           " ranks, which the others cannot reach; use an address of rank 0's network, or set " +
           "GLOO_SOCKET_IFNAME to the network interface on every machine";
  return kOk;
}

// The others read the finding before rank 0 takes the store away.
void linger(const Place& place, c10d::Store& store) {
  const auto end = Clock::now() + kLinger;
  for (int rank = 1; rank < place.size; ++rank)
    while (store.check({here(rank)}) && !store.check({"read/" + std::to_string(rank)}) && Clock::now() < end)
      std::this_thread::sleep_for(milliseconds(20));
}

// What rank 0 found; kOk: all are here. UserError where this rank is there already.
std::string sign_in(const Place& place, c10d::Store& store, const std::string& address,
                    milliseconds timeout) {
  const QuietStore quiet;
  const std::string own = std::to_string(place.rank);
  if (store.add("claim/" + own, 1) != 1)
    throw UserError("RANK: another process has come to " + where(place) + " as rank " + own +
                    "; give every process its own rank, and every job its own MASTER_PORT");
  store.set(here(place.rank), address);
  if (place.rank == 0) store.set("finding", call_roll(place, store, timeout));
  store.wait({"finding"}, timeout + kLinger);
  const std::string finding = store.get_to_str("finding");
  if (place.rank != 0) store.set("read/" + own, "yes");
  if (place.rank == 0 && !place.served && finding != kOk) linger(place, store);
  return finding;
}

void meet(const Place& place, const StorePtr& store, const std::string& address, milliseconds timeout) {
  std::optional<std::string> finding;
  try {
    finding = within(timeout + kLinger + kSlack, [=] { return sign_in(place, *store, address, timeout); });
  } catch (const c10::Error&) {
    // As when there is no answer.
  }
  if (!finding)
    throw UserError("WORLD_SIZE: rank 0 did not come to " + where(place) + " within " + seconds(timeout) +
                    ", or ended; look at its log");
  if (*finding != kOk) throw UserError(*finding);
}

}  // namespace

std::unique_ptr<Group> join(const Place& place, milliseconds timeout) {
  if (place.size == 1) return alone();
  std::signal(SIGPIPE,
              SIG_IGN);  // of c10d's store, which writes to ranks that are gone: it is told by an error code
  const std::string address = own_address(place);
  const StorePtr store = open_store(place, timeout);
  meet(place, store, std::getenv("GLOO_SOCKET_IFNAME") ? "by interface" : address, timeout);
  return gloo_group(place, store, address, timeout);
}

}  // namespace mom::dist
