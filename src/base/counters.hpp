// What the answering threads count, without locks and without sharing cache lines: one shard a thread, one
// writer a shard, any reader. A metric is declared once, as a row of `metrics`.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace sluice {

enum class Metric : std::uint8_t {
  queries_udp,
  queries_tcp,
  queries_tls,
  replies_noerror,
  replies_nxdomain,
  replies_formerr,
  replies_notimp,
  replies_refused,
  replies_other,
  replies_truncated,
  replies_steered,
  dropped,
  rate_limited_slipped,
  rate_limited_dropped,
  cookies_demanded,
  tcp_connections,
  tcp_connections_refused,
  tcp_connections_displaced,
  tls_connections,
  tls_connections_refused,
  tls_connections_displaced,
  tls_handshakes_failed,
  tsig_failures,
  transfers,
  transfers_refused,
  count_  // how many there are
};
inline constexpr std::size_t metric_count = static_cast<std::size_t>(Metric::count_);

// One row feeds the counter and its Prometheus text (rows of one name stand together and differ by labels).
struct MetricRow {
  Metric metric;
  std::string_view name;    // without the "sluice_" prefix and the "_total" suffix
  std::string_view labels;  // "key=\"value\"" or empty
  std::string_view help;
};
inline constexpr std::array<MetricRow, metric_count> metrics{{
    {Metric::queries_udp, "dns_queries", "transport=\"udp\"", "Messages received, by transport."},
    {Metric::queries_tcp, "dns_queries", "transport=\"tcp\"", "Messages received, by transport."},
    {Metric::queries_tls, "dns_queries", "transport=\"tls\"", "Messages received, by transport."},
    {Metric::replies_noerror, "dns_replies", "rcode=\"NOERROR\"", "Replies sent, by response code."},
    {Metric::replies_nxdomain, "dns_replies", "rcode=\"NXDOMAIN\"", "Replies sent, by response code."},
    {Metric::replies_formerr, "dns_replies", "rcode=\"FORMERR\"", "Replies sent, by response code."},
    {Metric::replies_notimp, "dns_replies", "rcode=\"NOTIMP\"", "Replies sent, by response code."},
    {Metric::replies_refused, "dns_replies", "rcode=\"REFUSED\"", "Replies sent, by response code."},
    {Metric::replies_other, "dns_replies", "rcode=\"other\"", "Replies sent, by response code."},
    {Metric::replies_truncated, "dns_replies_truncated", "", "Replies sent with TC set."},
    {Metric::replies_steered, "dns_replies_steered", "", "Replies that carry addresses of a steer."},
    {Metric::dropped, "dns_dropped", "", "Messages that got no reply."},
    {Metric::rate_limited_slipped, "dns_rate_limited", "action=\"slipped\"",
     "Replies over the rate limit, by what was done: an empty one with TC, or none."},
    {Metric::rate_limited_dropped, "dns_rate_limited", "action=\"dropped\"",
     "Replies over the rate limit, by what was done: an empty one with TC, or none."},
    {Metric::cookies_demanded, "dns_cookies_demanded", "",
     "Queries that were sent back for a cookie, as none or no valid one came with them."},
    {Metric::tcp_connections, "tcp_connections", "", "DNS connections accepted over TCP."},
    {Metric::tcp_connections_refused, "tcp_connections_refused", "",
     "DNS connections closed at once, over a limit."},
    {Metric::tcp_connections_displaced, "tcp_connections_displaced", "",
     "DNS connections over TCP closed early, to make room for new ones."},
    {Metric::tls_connections, "tls_connections", "", "DNS connections accepted over TLS."},
    {Metric::tls_connections_refused, "tls_connections_refused", "",
     "DNS connections over TLS closed at once, over a limit."},
    {Metric::tls_connections_displaced, "tls_connections_displaced", "",
     "DNS connections over TLS closed early, to make room for new ones."},
    {Metric::tls_handshakes_failed, "tls_handshakes_failed", "",
     "DNS connections over TLS that ended before the handshake did."},
    {Metric::tsig_failures, "dns_tsig_failures", "", "Signed queries whose signature did not hold."},
    {Metric::transfers, "dns_transfers", "", "Zone transfers begun."},
    {Metric::transfers_refused, "dns_transfers_refused", "",
     "Queries for a zone transfer that were refused, or that came while too many were under way."},
}};

// Counts answers by (steer, pool), and tells when the last one was given. The control thread hands out the
// ids.
using AnswerCounter = std::uint32_t;
inline constexpr AnswerCounter answer_counters_max = 1U << 20;

// What one thread counts. Only its own thread adds; any thread reads.
class CounterShard {
 public:
  CounterShard();
  ~CounterShard();
  CounterShard(const CounterShard&) = delete;
  CounterShard& operator=(const CounterShard&) = delete;

  void add(Metric metric) { bump(metrics_[static_cast<std::size_t>(metric)]); }
  // `now` is never less than the time before: microseconds of the steady clock.
  void add_answer(AnswerCounter id, std::uint64_t now) {
    bump(answers_[id].count);
    answers_[id].last.store(now, std::memory_order_relaxed);
  }

  std::uint64_t value(Metric metric) const {
    return metrics_[static_cast<std::size_t>(metric)].load(std::memory_order_relaxed);
  }
  std::uint64_t answers(AnswerCounter id) const { return answers_[id].count.load(std::memory_order_relaxed); }
  // 0: none.
  std::uint64_t last_answer(AnswerCounter id) const {
    return answers_[id].last.load(std::memory_order_relaxed);
  }

 private:
  // In one cache line, as both are written together.
  struct alignas(16) Answers {
    std::atomic<std::uint64_t> count, last;
  };

  // One writer: a load and a store, no locked instruction.
  static void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  alignas(64) std::array<std::atomic<std::uint64_t>, metric_count> metrics_{};
  // answer_counters_max counters in zeroed pages that cost memory only once touched.
  Answers* answers_;
};

// All shards of the process. Thread-safe.
class Counters {
 public:
  // A shard for the calling thread to keep; it lives as long as this.
  CounterShard& add_shard();

  std::uint64_t value(Metric metric) const;
  std::uint64_t answers(AnswerCounter id) const;
  // The greatest of the threads'; 0: none.
  std::uint64_t last_answer(AnswerCounter id) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<CounterShard>> shards_;
};

}  // namespace sluice
