#include "probe/fetcher.hpp"

#include <exception>
#include <set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>

#include "base/as_result.hpp"
#include "probe/errors.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;

// One request; also in the fetcher's list, to be stopped.
struct Fetch {
  Fetch(const asio::any_io_executor& executor, const Deadlines& deadlines, WebRequest its_request,
        OnFetched its_done)
      : request(std::move(its_request)), done(std::move(its_done)), open(executor, deadlines) {}

  WebRequest request;
  const OnFetched done;
  OpenRequest open;
  bool stopped = false;

  void stop() {
    stopped = true;
    open.timer.cancel();
    open.connection.close();
  }
};

}  // namespace

class Fetcher::Implementation {
 public:
  explicit Implementation(asio::any_io_executor executor)
      : executor_(std::move(executor)),
        deadlines_(executor_),
        places_(executor_, requests_open_max),
        resolver_(executor_) {}

  static asio::awaitable<void> run(std::shared_ptr<Implementation> self, std::shared_ptr<Fetch> one);
  static void begin(const std::shared_ptr<Implementation>& self, WebRequest request, OnFetched done);
  void stop();

 private:
  asio::awaitable<Result<WebReply>> fetch_guarded(Fetch& one);

  asio::any_io_executor executor_;
  Deadlines deadlines_;
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  asio::experimental::channel<void(boost::system::error_code)> places_;
  Resolver resolver_;
  std::set<std::shared_ptr<Fetch>> open_;
};

void Fetcher::Implementation::begin(const std::shared_ptr<Implementation>& self, WebRequest request,
                                    OnFetched done) {
  auto one = std::make_shared<Fetch>(self->executor_, self->deadlines_, std::move(request), std::move(done));
  self->open_.insert(one);
  asio::co_spawn(self->executor_, run(self, std::move(one)), asio::detached);
}

asio::awaitable<void> Fetcher::Implementation::run(std::shared_ptr<Implementation> self,
                                                   std::shared_ptr<Fetch> one) {
  co_await self->places_.async_send(boost::system::error_code(), as_result);
  Result<WebReply> reply = unavailable("stopped");
  if (!one->stopped) reply = co_await self->fetch_guarded(*one);
  self->places_.try_receive([](boost::system::error_code) {});
  self->open_.erase(one);
  if (!one->stopped) one->done(std::move(reply));
}

asio::awaitable<Result<WebReply>> Fetcher::Implementation::fetch_guarded(Fetch& one) {
  try {
    auto reply = co_await probe::fetch(std::move(one.request), one.open, resolver_);
    co_return reply;
  } catch (const std::exception& failure) {
    co_return unavailable(failure.what());
  }
}

void Fetcher::Implementation::stop() {
  for (const auto& one : std::exchange(open_, {})) one->stop();
  deadlines_.clear();
  resolver_.forget();
}

Fetcher::Fetcher(asio::any_io_executor executor)
    : implementation_(std::make_shared<Implementation>(std::move(executor))) {}

Fetcher::~Fetcher() { stop(); }

void Fetcher::fetch(WebRequest request, OnFetched done) {
  Implementation::begin(implementation_, std::move(request), std::move(done));
}

void Fetcher::stop() { implementation_->stop(); }

}  // namespace sluice::probe
