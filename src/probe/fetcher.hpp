// Makes requests to web servers for whoever has no coroutine: one call, one reply.
//
//   fetch(request, done) --> place --> probe/fetch.hpp --> done(reply)
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "probe/fetch.hpp"

namespace sluice::probe {

// At most this many requests are open at once; the others wait for a place, and their time begins with it.
inline constexpr std::size_t requests_open_max = 64;

class OpenJobs;

using OnFetched = std::function<void(Result<WebReply>)>;

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class Fetcher {
 public:
  explicit Fetcher(boost::asio::any_io_executor executor);
  ~Fetcher();  // stops

  // `done` is called once, not before this returns; never when stop() comes first.
  void fetch(WebRequest request, OnFetched done);

  // Ends all that is open.
  void stop();

 private:
  std::shared_ptr<OpenJobs> jobs_;
};

}  // namespace sluice::probe
