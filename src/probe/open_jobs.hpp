// What is asked of web servers at once: each job has a place while it asks, the others wait for one, and all
// can be stopped.
//
//   begin(job, asking, done) --> place --> asking --reply--> done(reply)
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>

#include "base/as_result.hpp"
#include "probe/fetch.hpp"

namespace sluice::probe {

// One job; what asks for it looks at `stopped` between its requests.
struct OpenJob {
  OpenJob(const boost::asio::any_io_executor& executor, const Deadlines& deadlines)
      : open(executor, deadlines) {}

  OpenRequest open;
  bool stopped = false;

  void stop() {
    stopped = true;
    open.timer.cancel();
    open.connection.close();
  }
};

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class OpenJobs {
 public:
  OpenJobs(boost::asio::any_io_executor executor, std::size_t places_max)
      : executor_(std::move(executor)),
        deadlines_(executor_),
        resolver_(executor_),
        places_(executor_, places_max) {}

  // Job: OpenJob, or what has it for a base.
  template <class Job = OpenJob, class... Parts>
  std::shared_ptr<Job> make(Parts&&... parts) {
    return std::make_shared<Job>(executor_, deadlines_, std::forward<Parts>(parts)...);
  }

  Resolver& resolver() { return resolver_; }

  enum class Place : std::uint8_t { needed, not_needed };

  // `asking` begins with the place; what it throws becomes `failed(reason)`. `done` is called once, not
  // before this returns; never when stop() comes first. `owner` lives until then.
  template <class Reply>
  void begin(std::shared_ptr<void> owner, std::shared_ptr<OpenJob> job, Place place,
             boost::asio::awaitable<Reply> asking, std::function<void(Reply)> done,
             Reply (*failed)(std::string)) {
    open_.insert(job);
    boost::asio::co_spawn(
        executor_, run(std::move(owner), std::move(job), place, std::move(asking), std::move(done), failed),
        boost::asio::detached);
  }

  void stop() {
    for (const auto& job : std::exchange(open_, {})) job->stop();
    deadlines_.clear();
    resolver_.forget();
  }

 private:
  template <class Reply>
  boost::asio::awaitable<void> run(std::shared_ptr<void> /*owner*/, std::shared_ptr<OpenJob> job, Place place,
                                   boost::asio::awaitable<Reply> asking, std::function<void(Reply)> done,
                                   Reply (*failed)(std::string)) {
    if (place == Place::needed) co_await places_.async_send(boost::system::error_code(), as_result);
    Reply reply = failed("stopped");
    if (!job->stopped) reply = co_await guarded(std::move(asking), failed);
    if (place == Place::needed) places_.try_receive([](boost::system::error_code) {});
    open_.erase(job);
    if (!job->stopped) done(std::move(reply));
  }

  template <class Reply>
  static boost::asio::awaitable<Reply> guarded(boost::asio::awaitable<Reply> asking,
                                               Reply (*failed)(std::string)) {
    try {
      auto reply = co_await std::move(asking);
      co_return reply;
    } catch (const std::exception& failure) {
      co_return failed(failure.what());
    }
  }

  boost::asio::any_io_executor executor_;
  Deadlines deadlines_;
  Resolver resolver_;
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  boost::asio::experimental::channel<void(boost::system::error_code)> places_;
  std::set<std::shared_ptr<OpenJob>> open_;
};

}  // namespace sluice::probe
