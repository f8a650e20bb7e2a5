// Asks a nameserver over UDP on loopback: as fast as it answers, or at a fixed rate, and measures.
//
//   load PORT QUERIES SECONDS [--rate N] [--window N] [--sockets N]
//
// QUERIES is a file of messages, each behind its length in two octets (as over TCP); they are asked in turn.
// Without a rate, `window` queries are under way at any time, and one that is not answered within half a
// second counts as lost. With a rate they are sent when they are due, whatever has been answered, and latency
// counts from then: a server that stops for a moment cannot hide it. Queries and replies move in batches, so
// that one core can load a server that has another core to itself.
//
// Prints one JSON object: sent, answered, lost, errors (RCODE other than NOERROR and NXDOMAIN), seconds, rate
// (answered per second), and latency in microseconds (p50, p90, p99, p999, max).
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::int64_t;

constexpr unsigned batch_max = 32, query_ids = 1U << 16;
constexpr std::size_t query_room = 512, reply_room = 1500;
constexpr Nanoseconds lost_after_ns = 500'000'000, tail_ns = 1'000'000'000;

struct Options {
  std::uint16_t port = 0;
  std::string queries;
  double seconds = 0;
  double rate = 0;  // 0: as fast as answers come
  unsigned window = 512, sockets = 4;
};

std::vector<std::string> read_queries(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> queries;
  for (std::size_t at = 0; at + 2 <= text.size();) {
    const std::size_t size =
        static_cast<std::uint8_t>(text[at]) << 8 | static_cast<std::uint8_t>(text[at + 1]);
    queries.push_back(text.substr(at + 2, size));
    at += 2 + size;
  }
  return queries;
}

// One socket and the queries that are under way on it.
class Channel {
 public:
  explicit Channel(std::uint16_t port) {
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const int buffer = 8 << 20;
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      std::perror("load"), std::exit(1);
    sent_at_.assign(query_ids, 0);
    for (unsigned i = 0; i < batch_max; ++i) {
      in_parts_[i] = {in_[i].data(), reply_room};
      in_messages_[i].msg_hdr = {nullptr, 0, &in_parts_[i], 1, nullptr, 0, 0};
      out_messages_[i].msg_hdr = {nullptr, 0, &out_parts_[i], 1, nullptr, 0, 0};
    }
  }

  Channel(const Channel&) = delete;  // its messages point into it
  Channel& operator=(const Channel&) = delete;

  int socket_number() const { return socket_; }
  unsigned under_way() const { return under_way_; }

  // Queues a query; the latency counts from `due`.
  void add(const std::string& query, Nanoseconds due) {
    auto& octets = out_[queued_];
    const std::size_t size = std::min(query.size(), query_room);
    std::memcpy(octets.data(), query.data(), size);
    const std::uint16_t id = next_id_++;
    if (sent_at_[id] != 0) ++lost, --under_way_;  // its number has come round again
    octets[0] = static_cast<std::uint8_t>(id >> 8);
    octets[1] = static_cast<std::uint8_t>(id);
    out_parts_[queued_++] = {octets.data(), size};
    sent_at_[id] = due;
    ++under_way_;
    ++sent;
    if (queued_ == batch_max) flush();
  }

  void flush() {
    for (unsigned at = 0; at < queued_;) {
      const int count = sendmmsg(socket_, &out_messages_[at], queued_ - at, 0);
      if (count > 0) {
        at += static_cast<unsigned>(count);
      } else {
        pollfd writable{.fd = socket_, .events = POLLOUT, .revents = 0};
        poll(&writable, 1, 10);
      }
    }
    queued_ = 0;
  }

  // What has come; calls done(latency) for each.
  template <class Function>
  void receive(Function done) {
    for (int count = batch_max; count == static_cast<int>(batch_max);) {
      count = recvmmsg(socket_, in_messages_.data(), batch_max, MSG_DONTWAIT, nullptr);
      const Nanoseconds now = Clock::now().time_since_epoch().count();
      for (int i = 0; i < count; ++i) {
        const auto& octets = in_[static_cast<unsigned>(i)];
        const auto id = static_cast<std::uint16_t>(octets[0] << 8 | octets[1]);
        if (sent_at_[id] == 0) continue;  // came after it was given up, or twice
        const unsigned rcode = octets[3] & 15;
        if (rcode != 0 && rcode != 3) ++errors;
        done(now - sent_at_[id]);
        sent_at_[id] = 0;
        --under_way_;
        ++answered;
      }
    }
  }

  // Gives up what was sent before.
  void expire(Nanoseconds before) {
    for (auto& at : sent_at_)
      if (at != 0 && at < before) at = 0, ++lost, --under_way_;
  }

  std::uint64_t sent = 0, answered = 0, lost = 0, errors = 0;

 private:
  int socket_;
  unsigned queued_ = 0, under_way_ = 0;
  std::uint16_t next_id_ = 0;
  std::vector<Nanoseconds> sent_at_;  // by id; 0: not under way
  std::array<std::array<std::uint8_t, query_room>, batch_max> out_;
  std::array<std::array<std::uint8_t, reply_room>, batch_max> in_;
  std::array<iovec, batch_max> out_parts_{}, in_parts_{};
  std::array<mmsghdr, batch_max> out_messages_{}, in_messages_{};
};

// Latencies in steps of a 32nd of their size.
class Histogram {
 public:
  void add(Nanoseconds value) {
    const auto at = static_cast<std::uint64_t>(std::max<Nanoseconds>(value, 1));
    const unsigned top = 63 - static_cast<unsigned>(__builtin_clzll(at));
    const unsigned step = top < 5 ? 0 : static_cast<unsigned>(at >> (top - 5)) & 31;
    ++counts_[top * 32 + step];
    ++total_;
    max_ = std::max(max_, value);
  }
  // In microseconds.
  double quantile(double part) const {
    std::uint64_t left = static_cast<std::uint64_t>(part * static_cast<double>(total_));
    for (unsigned i = 0; i < counts_.size(); ++i) {
      if (left < counts_[i]) {
        const double base = static_cast<double>(std::uint64_t{1} << (i / 32));
        return base * (1 + (i % 32 + 0.5) / 32) / 1000;
      }
      left -= counts_[i];
    }
    return max_us();
  }
  double max_us() const { return static_cast<double>(max_) / 1000; }

 private:
  std::array<std::uint64_t, 64 * 32> counts_{};
  std::uint64_t total_ = 0;
  Nanoseconds max_ = 0;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), queries_(read_queries(options.queries)) {
    if (queries_.empty())
      std::fprintf(stderr, "load: no queries in '%s'\n", options.queries.c_str()), std::exit(2);
    for (unsigned i = 0; i < options.sockets; ++i) channels_.emplace_back(options.port);
    for (const auto& channel : channels_)
      watched_.push_back({.fd = channel.socket_number(), .events = POLLIN, .revents = 0});
  }

  void run() {
    const Nanoseconds start = now(), end = start + static_cast<Nanoseconds>(options_.seconds * 1e9);
    Nanoseconds next_expiry = start + lost_after_ns;
    while (now() < end) {
      options_.rate == 0 ? fill_windows() : send_due(start);
      receive();
      if (now() < next_expiry) continue;
      next_expiry = now() + lost_after_ns / 4;
      for (auto& channel : channels_) channel.expire(now() - lost_after_ns);
    }
    seconds_ = static_cast<double>(now() - start) / 1e9;
    rate_ = static_cast<double>(total(&Channel::answered)) / seconds_;
    for (const Nanoseconds last = now() + tail_ns; now() < last && under_way() != 0;) receive();
    for (auto& channel : channels_) channel.expire(now() + 1);
  }

  void print() const {
    std::printf(
        "{\"sent\": %llu, \"answered\": %llu, \"lost\": %llu, \"errors\": %llu, \"seconds\": %.3f, \"rate\": "
        "%.0f, "
        "\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n",
        total(&Channel::sent), total(&Channel::answered), total(&Channel::lost), total(&Channel::errors),
        seconds_, rate_, latency_.quantile(0.5), latency_.quantile(0.9), latency_.quantile(0.99),
        latency_.quantile(0.999), latency_.max_us());
  }

 private:
  static Nanoseconds now() { return Clock::now().time_since_epoch().count(); }

  const std::string& next_query() {
    const auto& query = queries_[next_];
    next_ = next_ + 1 == queries_.size() ? 0 : next_ + 1;
    return query;
  }

  void fill_windows() {
    const unsigned each = std::max(1U, options_.window / options_.sockets);
    for (auto& channel : channels_) {
      const Nanoseconds at = now();
      while (channel.under_way() < each) channel.add(next_query(), at);
      channel.flush();
    }
  }

  void send_due(Nanoseconds start) {
    const auto due = static_cast<std::uint64_t>(static_cast<double>(now() - start) * options_.rate / 1e9);
    for (; scheduled_ < due; ++scheduled_) {
      const auto at = start + static_cast<Nanoseconds>(static_cast<double>(scheduled_) * 1e9 / options_.rate);
      channels_[scheduled_ % channels_.size()].add(next_query(), at);
    }
    for (auto& channel : channels_) channel.flush();
  }

  // At a fixed rate nothing waits: the moments at which queries are due are too near for the system's timers.
  void receive() {
    poll(watched_.data(), watched_.size(), options_.rate == 0 ? 10 : 0);
    for (std::size_t i = 0; i < channels_.size(); ++i)
      if (watched_[i].revents != 0) channels_[i].receive([&](Nanoseconds latency) { latency_.add(latency); });
  }

  unsigned under_way() const {
    unsigned sum = 0;
    for (const auto& channel : channels_) sum += channel.under_way();
    return sum;
  }

  unsigned long long total(std::uint64_t Channel::*member) const {
    unsigned long long sum = 0;
    for (const auto& channel : channels_) sum += channel.*member;
    return sum;
  }

  Options options_;
  std::vector<std::string> queries_;
  std::deque<Channel> channels_;
  std::vector<pollfd> watched_;
  Histogram latency_;
  std::size_t next_ = 0;
  std::uint64_t scheduled_ = 0;
  double seconds_ = 0, rate_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4)
    return std::fprintf(stderr, "usage: load PORT QUERIES SECONDS [--rate N] [--window N] [--sockets N]\n"),
           2;
  Options options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  options.queries = argv[2];
  options.seconds = std::atof(argv[3]);
  for (int i = 4; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--rate") options.rate = std::atof(argv[i + 1]);
    if (name == "--window") options.window = static_cast<unsigned>(std::atoi(argv[i + 1]));
    if (name == "--sockets") options.sockets = static_cast<unsigned>(std::atoi(argv[i + 1]));
  }
  Load load(options);
  load.run();
  load.print();
}
