#include "probe/runner_client.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <sys/socket.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/as_result.hpp"
#include "base/log.hpp"
#include "probe/errors.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Between two looks at what else there is to do.
constexpr int replies_at_once = 64;

// Who waits for a program's end; lives in the coroutine that waits.
struct Waiter {
  asio::steady_timer& timer;
  std::optional<Result<ProgramEnd>> result;

  void wake(Result<ProgramEnd> its_result) {
    result = std::move(its_result);
    timer.cancel();
  }
};

}  // namespace

class RunnerClient::State {
 public:
  State(asio::any_io_executor executor, RunnerProcess runner)
      : places_{Places(executor, programs_open_max), Places(executor, programs_open_max),
                Places(executor, programs_open_max)},
        keeper_(runner.process()),
        socket_(executor, runner.release_socket()) {}

  static asio::awaitable<void> read(std::shared_ptr<State> self);
  static asio::awaitable<Result<ProgramEnd>> run(std::shared_ptr<State> self, Purpose purpose,
                                                 Program program, asio::steady_timer& timer,
                                                 std::function<bool()> is_wanted);
  void stop() {
    socket_.close();
    fail_all(unavailable("stopped"));
  }

 private:
  enum class Next : std::uint8_t { more, nothing, closed };
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  using Places = asio::experimental::channel<void(error_code)>;

  asio::awaitable<Result<ProgramEnd>> exchange(Program program, asio::steady_timer& timer);
  Result<void> send(const RunRequest& request);
  Next receive();
  void take(const Message& message);
  void take_start();
  void take_loss();
  void fail_all(const Error& error);

  std::array<Places, purpose_count> places_;  // by Purpose
  const pid_t keeper_;
  asio::posix::stream_descriptor socket_;
  std::map<std::uint64_t, Waiter*> waiters_;
  std::uint64_t last_id_ = 0;
  bool has_started_ = false;
  std::array<char, message_size_max> buffer_;
};

asio::awaitable<void> RunnerClient::State::read(std::shared_ptr<State> self) {
  for (;;) {
    const auto [failure] =
        co_await self->socket_.async_wait(asio::posix::stream_descriptor::wait_read, as_result);
    if (failure || !self->socket_.is_open()) co_return;
    Next next = Next::more;
    for (int i = 0; i < replies_at_once && next == Next::more; ++i) next = self->receive();
    if (next == Next::closed) co_return self->take_loss();
  }
}

RunnerClient::State::Next RunnerClient::State::receive() {
  const auto size = ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? Next::nothing : Next::closed;
  if (size == 0) return Next::closed;
  if (const auto message = decode({buffer_.data(), static_cast<std::size_t>(size)})) take(*message);
  return Next::more;
}

// What is malformed, or not for us, nobody waits for.
void RunnerClient::State::take(const Message& message) {
  if (std::holds_alternative<Started>(message)) return take_start();
  const auto* reply = std::get_if<RunReply>(&message);
  if (reply == nullptr) return;
  if (const auto found = waiters_.find(reply->id); found != waiters_.end()) found->second->wake(reply->end);
}

// What the runner before this one was asked for is lost. So may be what it was not asked for any more, which
// runs now and whose reply is not awaited.
void RunnerClient::State::take_start() {
  if (!std::exchange(has_started_, true)) return;
  logger().warn("probe: the runner of exec checks was killed, and has been started anew");
  fail_all(unavailable("the runner of exec checks was killed, and has been started anew"));
}

void RunnerClient::State::take_loss() {
  logger().error(
      "probe: the runner of exec checks has ended; they cannot be run until sluiced is started anew, and "
      "their "
      "last results stand");
  socket_.close();
  ::waitpid(keeper_, nullptr, WNOHANG);
  fail_all(unavailable("the runner of exec checks has ended"));
}

void RunnerClient::State::fail_all(const Error& error) {
  for (const auto& [id, waiter] : std::exchange(waiters_, {})) waiter->wake(error);
}

Result<void> RunnerClient::State::send(const RunRequest& request) {
  if (!socket_.is_open()) return unavailable("the runner of exec checks has ended");
  const auto octets = encode(request);
  if (!octets) return unavailable("the command is too long for the runner of exec checks");
  // So few programs fit into the socket, unless the runner was stopped.
  if (::send(socket_.native_handle(), octets->data(), octets->size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    return unavailable("the runner of exec checks does not take programs");
  return {};
}

asio::awaitable<Result<ProgramEnd>> RunnerClient::State::run(std::shared_ptr<State> self, Purpose purpose,
                                                             Program program, asio::steady_timer& timer,
                                                             std::function<bool()> is_wanted) {
  auto& places = self->places_[static_cast<std::size_t>(purpose)];
  co_await places.async_send(error_code(), as_result);
  Result<ProgramEnd> end = unavailable("stopped");
  if (!is_wanted || is_wanted()) end = co_await self->exchange(std::move(program), timer);
  places.try_receive([](error_code) {});
  co_return end;
}

asio::awaitable<Result<ProgramEnd>> RunnerClient::State::exchange(Program program,
                                                                  asio::steady_timer& timer) {
  const auto timeout = program.timeout;
  const RunRequest request{++last_id_, std::move(program)};
  if (const auto sent = send(request); !sent) co_return sent.error();
  Waiter waiter{timer, {}};
  waiters_[request.id] = &waiter;
  timer.expires_after(timeout + answer_grace);
  const auto [cancelled] = co_await timer.async_wait(as_result);
  waiters_.erase(request.id);
  if (waiter.result) co_return std::move(*waiter.result);
  // The keeper starts a runner anew that was stopped, unless it was stopped itself.
  if (!cancelled) ::kill(keeper_, SIGCONT);
  co_return unavailable(cancelled ? "stopped" : "the runner of exec checks does not answer");
}

RunnerClient::RunnerClient(asio::any_io_executor executor, RunnerProcess runner)
    : state_(std::make_shared<State>(executor, std::move(runner))) {
  asio::co_spawn(executor, State::read(state_), asio::detached);
}

RunnerClient::~RunnerClient() { stop(); }

asio::awaitable<Result<ProgramEnd>> RunnerClient::run(Purpose purpose, Program program,
                                                      asio::steady_timer& timer,
                                                      std::function<bool()> is_wanted) {
  return State::run(state_, purpose, std::move(program), timer, std::move(is_wanted));
}

void RunnerClient::stop() { state_->stop(); }

}  // namespace sluice::probe
