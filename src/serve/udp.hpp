// Answers UDP: a thread per worker, each with its own socket per listen address, batches by recvmmsg and sendmmsg.
//
//   poll -> recvmmsg (up to batch_max) -> snapshot once -> answer() each -> sendmmsg
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
  // Takes the UDP sockets of each listener: worker i serves udp[i] of all of them. Starts the threads.
  UdpServer(const Context& context, std::vector<Listener>& listeners, unsigned workers);
  ~UdpServer();  // stops and joins; replies to what was received are sent first

 private:
  class Worker;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sluice::serve
