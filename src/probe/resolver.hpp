// The addresses of hosts, from the system's resolver: getaddrinfo(), and so /etc/hosts and whatever else
// nsswitch.conf names. It blocks, for half a minute when name servers are silent, and cannot be cancelled.
// So each look-up has a thread of its own, and who waits for it may leave at any time:
//
//   resolve(host, timer) --first to ask--> thread --result--> all who wait for the host
//                        '--it is asked for already--> wait, too
//
// A host whose name servers are silent holds one of `lookups_max` threads, and no other host waits for it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/address.hpp"
#include "base/result.hpp"
#include "wire/name.hpp"

namespace sluice::probe {

// Threads; more hosts than this wait for their turn.
inline constexpr std::size_t lookups_max = 16;

// IPv4 and IPv6, in the order of RFC 6724, each once. ErrorCode::not_found: the host has none, or its name
// servers do not say; ErrorCode::unavailable: this machine could not ask.
using Addresses = Result<std::vector<Address>>;

// Blocks. Thread-safe. The name is taken as it is: no search domain of the machine is added.
Addresses look_up(const wire::Name& host);
using LookUp = Addresses (*)(const wire::Name&);

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class Resolver {
 public:
  explicit Resolver(boost::asio::any_io_executor executor, LookUp function = look_up);
  ~Resolver();  // does not wait for threads

  // Nothing when the timer ended, or was cancelled, before there was a result. The timer is the caller's, and
  // is set by it.
  boost::asio::awaitable<std::optional<Addresses>> resolve(wire::Name host, boost::asio::steady_timer& timer);

  // Forgets who waits: no thread will use the executor from now on, until something is asked again.
  void forget();

 private:
  struct Waiter;
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::probe
