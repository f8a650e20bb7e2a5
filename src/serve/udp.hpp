// Answers UDP: so many workers for each listen address, each a thread with a socket of its own, batches by
// recvmmsg and sendmmsg.
//
//   recvmmsg (waits for one, takes up to batch_max) -> snapshot once -> answer() each -> sendmmsg
//
// The snapshot is taken after the batch was received: a change that was published before a query was sent is
// always seen. Nothing is allocated after the start. What cannot be sent is dropped, as the network might
// have done: clients ask again.
#pragma once

#include <memory>
#include <vector>

#include "answer/answer.hpp"
#include "base/counters.hpp"
#include "base/published.hpp"
#include "base/quiescence.hpp"
#include "serve/sockets.hpp"

namespace sluice::serve {

// What all servers share. Outlives them.
struct Context {
  const Published<answer::Snapshot>& published;
  Quiescence& quiescence;
  Counters& counters;
};

class UdpServer {
 public:
  // Takes `workers` UDP sockets of each listener, which has at least as many. Starts the threads. Throws
  // std::system_error when the system has no thread or descriptor left for us.
  UdpServer(const Context& context, std::vector<Listener>& listeners, unsigned workers);
  ~UdpServer();  // stops and joins; replies to what was received are sent first

 private:
  class Worker;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sluice::serve
