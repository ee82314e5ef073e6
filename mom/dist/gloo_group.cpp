#include "mom/dist/gloo_group.h"

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <cstdlib>

#include "mom/dist/nccl.h"
#include "mom/dist/store.h"

namespace mom::dist {
namespace {

using Gloo = c10d::ProcessGroupGloo;
using Clock = std::chrono::steady_clock;

class GlooGroup : public Group {
 public:
  GlooGroup(const Place& place, const c10::intrusive_ptr<c10d::Store>& store, const std::string& address,
            std::chrono::milliseconds timeout)
      : place_(place), store_(store), peers_(place, store) {
    set_timeout(timeout);
    const QuietStore quiet;
    guarded([&] {
      const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
      const auto options = Gloo::Options::create(timeout);
      options->devices = {interface ? Gloo::createDeviceForInterface(interface)
                                    : Gloo::createDeviceForHostname(address)};
      options->threads = 1;  // of collective operations, which are not used
      gloo_ = c10::make_intrusive<Gloo>(store, place.rank, place.size, options);
    });
  }

  ~GlooGroup() override { peers_.leave(Peers::Reason::kDone, ""); }  // before the connections close

  int rank() const override { return place_.rank; }
  int size() const override { return place_.size; }
  int local_rank() const override { return place_.local_rank; }
  void leave(const std::string& why) override { peers_.leave(Peers::Reason::kOwnError, why); }

  // Turns what goes wrong in `operate` into PeerError.
  template <class Operate>
  void guarded(const Operate& operate) {
    try {
      operate();
    } catch (const std::exception& error) {
      if (lost_.empty()) {
        lost_ = peers_.blame();
        if (lost_.empty()) lost_ = "the connection broke: " + first_line(error.what());
        peers_.leave(Peers::Reason::kLostAnother, lost_);
      }
      throw PeerError(lost_);
    }
  }

 protected:
  std::unique_ptr<Pending> start_exchange(std::vector<at::Tensor> to, std::vector<at::Tensor> from) override;

 private:
  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  Place place_;
  c10::intrusive_ptr<c10d::Store> store_;
  Peers peers_;
  c10::intrusive_ptr<Gloo> gloo_;
  std::unique_ptr<DeviceExchanges> devices_;  // since the first tensor of a device
  std::string lost_;                          // why operations fail; empty: they do not
  int next_ = 0;
};

class Sent : public Pending {
 public:
  Sent(GlooGroup& group, std::vector<c10::intrusive_ptr<c10d::Work>> works)
      : group_(group), works_(std::move(works)) {}
  void wait() override {
    group_.guarded([&] {
      const auto end = Clock::now() + group_.timeout();
      for (const auto& work : works_) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        TORCH_CHECK(work->wait(std::max(left, std::chrono::milliseconds(1))), "interrupted");
      }
      works_.clear();
    });
  }

 private:
  GlooGroup& group_;
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;
};

std::unique_ptr<Pending> GlooGroup::start_exchange(std::vector<at::Tensor> to, std::vector<at::Tensor> from) {
  const int tag = next_;
  next_ = (next_ + 1) & 0x7fffffff;
  peers_.enter(tag);
  if (!to[static_cast<size_t>(rank())].device().is_cpu()) {
    std::unique_ptr<Pending> started;
    guarded([&] {
      if (!devices_) devices_ = nccl_exchanges(place_, store_, timeout());
      started = devices_->start(std::move(to), std::move(from));
    });
    return started;
  }
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  guarded([&] {
    for (int step = 1; step < size(); ++step) {
      const int peer = (rank() + size() - step) % size();
      std::vector<at::Tensor> tensors = {from[static_cast<size_t>(peer)]};
      if (tensors[0].numel() > 0) works.push_back(gloo_->recv(tensors, peer, tag));
    }
    for (int step = 1; step < size(); ++step) {
      const int peer = (rank() + step) % size();
      std::vector<at::Tensor> tensors = {to[static_cast<size_t>(peer)]};
      if (tensors[0].numel() > 0) works.push_back(gloo_->send(tensors, peer, tag));
    }
  });
  return std::make_unique<Sent>(*this, std::move(works));
}

}  // namespace

std::unique_ptr<Group> gloo_group(const Place& place, const c10::intrusive_ptr<c10d::Store>& store,
                                  const std::string& address, std::chrono::milliseconds timeout) {
  return std::make_unique<GlooGroup>(place, store, address, timeout);
}

}  // namespace mom::dist
