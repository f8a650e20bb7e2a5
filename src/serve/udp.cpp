#include "serve/udp.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "serve/outbox.hpp"
#include "serve/thread.hpp"

namespace sluice::serve {
namespace {

// With 64, the two system calls are a small part of what each datagram costs in the kernel anyway; more would
// only keep the first of a batch waiting longer.
constexpr unsigned batch_max = Outbox::capacity;

// The most that EDNS clients usually say they can take, which none comes near to with a query. Longer ones
// are dropped.
constexpr std::size_t query_size_max = 4096;

// Whole cache lines.
constexpr std::size_t reply_room = (wire::udp_size_max + 63) / 64 * 64;

// How often an idle worker looks for a newer snapshot, so that the old one's memory is freed.
constexpr timeval idle{.tv_sec = 1, .tv_usec = 0};

// Batches at the end: more datagrams than a receive buffer holds.
constexpr unsigned last_rounds_max = 256;

// A datagram and its reply. Its size is no multiple of a page: else the first octets of all would compete for
// the same few lines of the cache.
struct Slot {
  alignas(64) std::array<std::uint8_t, query_size_max> query;
  alignas(64) std::array<std::uint8_t, reply_room> reply;
  alignas(64) sockaddr_storage peer;
  alignas(cmsghdr) std::array<std::uint8_t, control_room> control;
  iovec query_part;
};
static_assert(sizeof(Slot) % 4096 != 0);

// The buffers of one worker, and the system calls on them.
class Batch {
 public:
  Batch() : slots_(batch_max) {
    for (unsigned i = 0; i < batch_max; ++i) {
      Slot& slot = slots_[i];
      slot.query_part = {slot.query.data(), slot.query.size()};
      received_[i].msg_hdr = {&slot.peer, 0, &slot.query_part, 1, slot.control.data(), 0, 0};
    }
  }

  // How many datagrams there are; at most batch_max. With MSG_WAITFORONE waits for the first, 0 when none
  // comes for a while; with MSG_DONTWAIT 0 when there are none now.
  unsigned receive(int socket, int flags) {
    for (unsigned i = 0; i < used_; ++i) reset(i);
    const int count = recvmmsg(socket, received_.data(), batch_max, flags, nullptr);
    used_ = count > 0 ? static_cast<unsigned>(count) : 0;
    outbox_.clear();
    return used_;
  }

  wire::Bytes query(unsigned i) const { return {slots_[i].query.data(), received_[i].msg_len}; }
  // Of a socket that was shut down there is a message without a sender at the end.
  bool has_sender(unsigned i) const { return received_[i].msg_hdr.msg_namelen != 0; }
  bool cut_short(unsigned i) const { return (received_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }
  SocketAddress peer(unsigned i) const {
    return from_system(reinterpret_cast<const sockaddr*>(&slots_[i].peer));
  }
  std::span<std::uint8_t> reply_space(unsigned i) { return slots_[i].reply; }

  // Queues the reply to datagram `i`.
  void add_reply(unsigned i, std::size_t size) {
    outbox_.add(received_[i].msg_hdr, {slots_[i].reply.data(), size});
  }

  void send(int socket) { outbox_.send(socket); }

 private:
  // What the kernel overwrites.
  void reset(unsigned i) {
    received_[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    received_[i].msg_hdr.msg_controllen = control_room;
  }

  std::vector<Slot> slots_;
  std::array<mmsghdr, batch_max> received_{};
  Outbox outbox_;
  unsigned used_ = batch_max;
};

void limit_waiting(int socket) {
  if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle) != 0)
    throw std::system_error(errno, std::generic_category(), "SO_RCVTIMEO");
}

}  // namespace

class UdpServer::Worker {
 public:
  Worker(const Context& context, Descriptor socket, std::size_t number)
      : socket_(std::move(socket)),
        quiescence_(context.quiescence),
        snapshot_(context.published),
        scratch_(context.counters.add_shard(), random_seed()) {
    limit_waiting(socket_.get());
    thread_ = start_thread(fmt::format("udp-{}", number).c_str(), [this] { run(); });
  }
  ~Worker() {
    request_stop();
    if (thread_.joinable()) thread_.join();
  }

  // Wakes the thread, too: a socket that is shut down has nothing more to wait for. Of one that is not
  // connected Linux says ENOTCONN, and does it.
  void request_stop() {
    stopping_.store(true, std::memory_order_relaxed);
    shutdown(socket_.get(), SHUT_RD);
  }

 private:
  void run();
  void answer_all(unsigned count);
  std::size_t answer_one(const answer::Snapshot* snapshot, unsigned i);

  const Descriptor socket_;
  std::atomic<bool> stopping_{false};
  Quiescence::Reader quiescence_;
  Published<answer::Snapshot>::Reader snapshot_;
  answer::Scratch scratch_;
  Batch batch_;
  std::thread thread_;  // last: it uses all of the above
};

void UdpServer::Worker::run() {
  const int socket = socket_.get();
  while (!stopping_.load(std::memory_order_relaxed)) answer_all(batch_.receive(socket, MSG_WAITFORONE));
  // What was received before the end is answered.
  for (unsigned rounds = last_rounds_max; rounds > 0; --rounds) {
    const unsigned count = batch_.receive(socket, MSG_DONTWAIT);
    if (count == 0) return;
    answer_all(count);
  }
}

// The section ends when all is sent: who has seen its end knows that what was unpublished before is not
// handed out any more.
void UdpServer::Worker::answer_all(unsigned count) {
  const Quiescence::Section section(quiescence_);
  const answer::Snapshot* snapshot = snapshot_.current();
  if (count == 0) return;
  scratch_.now = moment_now();
  for (unsigned i = 0; i < count; ++i) {
    if (!batch_.has_sender(i)) continue;
    scratch_.counters.add(Metric::queries_udp);
    const std::size_t size = answer_one(snapshot, i);
    if (size > 0) batch_.add_reply(i, size);
  }
  batch_.send(socket_.get());
}

std::size_t UdpServer::Worker::answer_one(const answer::Snapshot* snapshot, unsigned i) {
  const SocketAddress peer = batch_.peer(i);
  const bool unreachable = peer.port == 0;  // a forged source: nothing can be sent to port 0
  if (snapshot == nullptr || batch_.cut_short(i) || unreachable) {
    scratch_.counters.add(Metric::dropped);
    return 0;
  }
  const answer::Client client{peer.address, answer::Transport::udp};
  return answer::answer(*snapshot, scratch_, client, batch_.query(i), batch_.reply_space(i));
}

UdpServer::UdpServer(const Context& context, std::vector<Listener>& listeners, unsigned workers) {
  for (Listener& listener : listeners) {
    assert(workers <= listener.udp.size());
    for (unsigned i = 0; i < workers; ++i)
      workers_.push_back(std::make_unique<Worker>(context, std::move(listener.udp[i]), workers_.size()));
  }
}

// All are told before the first is waited for.
UdpServer::~UdpServer() {
  for (const auto& worker : workers_) worker->request_stop();
}

}  // namespace sluice::serve
