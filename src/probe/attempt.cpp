#include "probe/attempt.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>

#include "base/as_result.hpp"
#include "base/text.hpp"
#include "probe/agent.hpp"
#include "probe/body.hpp"
#include "probe/cadence.hpp"
#include "probe/http.hpp"
#include "probe/tls.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t wanted_shown_max = 64;

// ---- Acting
// ----------------------------------------------------------------------------------------------------

// How the kernel would send to an address.
struct Route {
  int error = 0;
  std::optional<asio::ip::address> local;  // what it would send from
};

Route look_up_route(const Address& address) {
  const auto endpoint =
      to_endpoint(address, 9);  // whatever the port is: connecting UDP only looks the route up
  const int family = address.family == Family::v4 ? AF_INET : AF_INET6;
  const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return {errno, {}};
  Route route;
  tcp::endpoint local;
  auto size = static_cast<socklen_t>(local.capacity());
  if (::connect(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0)
    route.error = errno;
  else if (::getsockname(descriptor, local.data(), &size) == 0)
    route.local = local.address();
  ::close(descriptor);
  return route;
}

// Whether who speaks from `local` speaks to this machine.
bool is_to_itself(const asio::ip::address& local, const asio::ip::address& remote) {
  return local == remote || remote.is_loopback();
}

asio::awaitable<void> connect(tcp::socket& socket, const Address& address, std::uint16_t port,
                              Attempt& attempt) {
  const auto endpoint = to_endpoint(address, port);
  const auto [failure] = co_await socket.async_connect(endpoint, as_result);
  attempt.failure = failure;
  if (failure) {
    attempt.without_route = failure == asio::error::network_unreachable && !has_route(address);
    attempt.own = failure == asio::error::connection_refused && is_own(address);
    co_return;
  }
  error_code ignored;
  const auto local = socket.local_endpoint(ignored);
  attempt.own = is_to_itself(local.address(), endpoint.address());
  // A port that nobody listens on may be the very one the kernel chose for our end; TCP then connects to
  // itself.
  if (local == endpoint) attempt.failure = asio::error::connection_refused;
}

asio::awaitable<void> ask_over_tls(tcp::socket& socket, const Target& target, const Tools& tools,
                                   Attempt& attempt) {
  attempt.stage = Stage::securing;
  TlsStream tls(socket, *tools.tls);
  const auto name = certificate_name(target);
  if (const auto set = expect_server(tls, target.check, name, attempt.refusal); !set) {
    attempt.failure = make_error_code(boost::system::errc::not_enough_memory);
    co_return;
  }
  const auto [failure] = co_await tls.async_handshake(asio::ssl::stream_base::client, as_result);
  attempt.failure = failure;
  attempt.received = has_received(tls);
  if (!failure) co_await ask(tls, target, tools, attempt);
}

// Up to the first line end, or the end of the connection.
asio::awaitable<void> listen_to_agent(tcp::socket& socket, Attempt& attempt) {
  attempt.stage = Stage::listening;
  std::array<char, agent_size_max> buffer;
  std::size_t size = 0;
  bool ended = false;
  while (!ended && size < buffer.size()) {
    const auto rest = asio::buffer(buffer) + size;
    const auto [failure, read] = co_await socket.async_read_some(rest, as_result);
    size += read;
    attempt.received = size > 0;
    std::string_view line(buffer.data(), size);
    ended = cut_line(line) || failure == asio::error::eof;
    attempt.line = std::string(line);
    if (ended) break;
    attempt.failure = failure;
    if (failure) co_return;
  }
  if (!ended) attempt.failure = asio::error::message_size;
  if (ended) attempt.stage = Stage::done;
}

asio::awaitable<void> converse(Connection& connection, const Target& target, const Tools& tools,
                               Clock::time_point end, Attempt& attempt) {
  const auto& address = *target.destination.address();
  auto& socket = connection.socket();
  connection.expires_at(std::min(end, Clock::now() + connect_timeout_max));
  co_await connect(socket, address, target.check.port, attempt);
  if (attempt.failure) co_return;
  connection.expires_at(end);  // once: for all that follows together
  switch (target.check.type) {
    case config::CheckType::tcp:
      attempt.stage = Stage::done;
      break;
    case config::CheckType::http:
      co_await ask(socket, target, tools, attempt);
      break;
    case config::CheckType::https:
      co_await ask_over_tls(socket, target, tools, attempt);
      break;
    case config::CheckType::agent:
      co_await listen_to_agent(socket, attempt);
      break;
    case config::CheckType::exec:
    case config::CheckType::push:
    case config::CheckType::none:
      break;
  }
}

// ---- Deciding
// --------------------------------------------------------------------------------------------------

// Failures of this machine, whatever the endpoint's state is.
bool is_ours(const error_code& failure) {
  namespace errc = boost::system::errc;
  constexpr errc::errc_t own[] = {
      errc::too_many_files_open,
      errc::too_many_files_open_in_system,  // descriptors
      errc::no_buffer_space,
      errc::not_enough_memory,
      errc::address_not_available,         // no free port on our side, or no address of the family
      errc::address_family_not_supported,  // IPv6 is switched off
      errc::operation_not_permitted,
      errc::permission_denied,  // a local firewall, or a prohibiting route
      errc::network_down,
      errc::invalid_argument,  // a black hole in the routing table
  };
  return std::any_of(std::begin(own), std::end(own), [&](errc::errc_t code) { return failure == code; });
}

std::string_view doing(Stage stage) {
  switch (stage) {
    case Stage::connecting:
      return "connecting";
    case Stage::securing:
      return "shaking hands (TLS)";
    case Stage::responding:
      return "waiting for a response";
    case Stage::body:
      return "reading the response's body";
    case Stage::listening:
      return "waiting for the agent's line";
    case Stage::done:
      break;
  }
  return "";
}

std::string timeout_text(const config::Check& check, Stage stage) {
  const bool connecting = stage == Stage::connecting;
  const auto limit = connecting ? std::min(check.timeout, connect_timeout_max) : check.timeout;
  return fmt::format("timeout after {} while {}", to_text(limit), doing(stage));
}

// Ours; the kernel's says that what we sent was not even acknowledged.
bool is_timeout(const Attempt& attempt) { return attempt.failure == beast::error::timeout; }

bool is_end(const error_code& failure) {
  return failure == http::error::end_of_stream || failure == http::error::partial_message ||
         failure == asio::error::eof || failure == asio::error::connection_reset ||
         failure == asio::error::broken_pipe || failure == asio::ssl::error::stream_truncated;
}

bool is_not_http(const error_code& failure) {
  return failure.category() == make_error_code(http::error::bad_version).category();
}

// What an HTTP response has to begin with to be one, or how the connection ended before that.
std::string response_failure_text(const error_code& failure) {
  if (failure == http::error::partial_message) return "connection closed within the response's header";
  if (is_end(failure)) return "connection closed before a response";
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return fmt::format("response header longer than {} KiB", header_size_max / 1024);
  if (is_not_http(failure)) return "not HTTP";
  if (is_tls(failure)) return fmt::format("TLS: {}", alert_text(failure));
  return failure.message();
}

std::string body_failure_text(const error_code& failure) {
  if (is_end(failure)) return "connection closed within the response's body";
  if (is_not_http(failure)) return "the response's body is broken";
  if (is_tls(failure)) return fmt::format("TLS: {}", alert_text(failure));
  return failure.message();
}

std::string agent_failure_text(const error_code& failure) {
  if (failure == asio::error::message_size)
    return fmt::format("the agent's line is longer than {} octets", agent_size_max);
  if (is_end(failure)) return "connection closed before the agent's line had an end";
  return failure.message();
}

std::string connect_failure_text(const error_code& failure) {
  if (failure == asio::error::connection_refused) return "connection refused";
  if (failure == asio::error::host_unreachable) return "no route to host";
  if (failure == asio::error::network_unreachable) return "network unreachable";
  if (failure == asio::error::connection_reset) return "connection reset";
  return failure.message();
}

std::string failure_text(const config::Check& check, const Attempt& attempt) {
  if (is_timeout(attempt) || attempt.failure == asio::error::timed_out)
    return timeout_text(check, attempt.stage);
  switch (attempt.stage) {
    case Stage::connecting:
      return connect_failure_text(attempt.failure);
    case Stage::securing:
      return attempt.refusal.empty() ? handshake_failure_text(attempt.failure) : attempt.refusal;
    case Stage::responding:
      return response_failure_text(attempt.failure);
    case Stage::body:
      return body_failure_text(attempt.failure);
    case Stage::listening:
      return agent_failure_text(attempt.failure);
    case Stage::done:
      break;
  }
  return {};
}

// Whether the failure came from the target or its machine, so that the network between us is well. Who has
// taken the connection and says nothing hangs by itself: the network has carried its handshake. Timeouts
// before that, and what routers say of unreachable hosts, are no answers.
bool is_answer(const Attempt& attempt) {
  const auto& failure = attempt.failure;
  if (attempt.received || failure == asio::error::connection_refused ||
      failure == asio::error::connection_reset)
    return true;
  if (is_timeout(attempt)) return attempt.stage != Stage::connecting;
  constexpr asio::error::basic_errors silences[] = {asio::error::timed_out, asio::error::host_unreachable,
                                                    asio::error::network_unreachable,
                                                    asio::error::network_down};
  const bool silent = std::any_of(std::begin(silences), std::end(silences),
                                  [&](asio::error::basic_errors code) { return failure == code; });
  return !silent && attempt.stage != Stage::connecting;
}

std::string ranges_text(const std::vector<config::StatusRange>& ranges) {
  std::string text;
  for (const auto& [first, last] : ranges) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", first);
    if (last != first) text += fmt::format("-{}", last);
  }
  return text;
}

// What the body should have had, in the user's words.
std::string wanted_text(const config::Check& check) {
  if (!check.body.empty()) return fmt::format("'{}'", printable(check.body, wanted_shown_max));
  return fmt::format("a match of '{}'", printable(check.body_regex, wanted_shown_max));
}

health::ProbeResult judge_response(const config::Check& check, const Attempt& attempt) {
  const auto status = *attempt.status;
  const auto failed = [&](std::string detail) {
    return health::ProbeResult{false, std::move(detail), attempt.took};
  };
  if (!is_expected(check, status))
    return failed(fmt::format("status {}, expected {}", status, ranges_text(check.expect)));
  if (attempt.body == BodyFinding::missing)
    return failed(fmt::format("status {}, but its body has not {}", status, wanted_text(check)));
  if (attempt.body == BodyFinding::not_in_begin)
    return failed(fmt::format("status {}, but the first {} KiB of its body have not {}", status,
                              body_size_max / 1024, wanted_text(check)));
  // Our words for the status and not the server's: theirs may be anything.
  const auto reason = http::obsolete_reason(http::int_to_status(status));
  return {true, fmt::format("{} {}", status, std::string_view(reason.data(), reason.size())), attempt.took};
}

health::ProbeResult judge_answer(const config::Check& check, const Attempt& attempt) {
  if (attempt.line) return judge_agent(*attempt.line, attempt.took);
  if (attempt.status) return judge_response(check, attempt);
  return {true, "connected", attempt.took};
}

}  // namespace

tcp::endpoint to_endpoint(const Address& address, std::uint16_t port) {
  const auto& octets = address.octets;
  if (address.family == Family::v6) return {asio::ip::address_v6(octets), port};
  return {asio::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}), port};
}

bool has_route(const Address& address) { return look_up_route(address).error != ENETUNREACH; }

bool is_own(const Address& address) {
  const auto local = look_up_route(address).local;
  return local && is_to_itself(*local, to_endpoint(address, 0).address());
}

asio::awaitable<Attempt> run_attempt(Connection& connection, const Target& target, const Tools& tools) {
  Attempt attempt;
  const auto start = Clock::now();
  co_await converse(connection, target, tools, start + target.check.timeout, attempt);
  attempt.took = std::chrono::duration_cast<Duration>(Clock::now() - start);
  if (attempt.failure && connection.timed_out()) attempt.failure = beast::error::timeout;
  connection.close();
  co_return attempt;
}

Result<health::ProbeResult> judge(const config::Check& check, const Attempt& attempt) {
  if (attempt.without_route) return Error{ErrorCode::unavailable, "this machine has no route to the address"};
  if (attempt.failure && is_ours(attempt.failure))
    return Error{ErrorCode::unavailable, attempt.failure.message()};
  health::ProbeResult result = attempt.failure
                                   ? health::ProbeResult{false, failure_text(check, attempt), attempt.took}
                                   : judge_answer(check, attempt);
  result.answered = !attempt.failure || is_answer(attempt);
  if (result.answered && is_timeout(attempt)) result.quiet = attempt.took;
  result.own = result.answered && attempt.own;
  return result;
}

Result<health::ProbeResult> judge_host(const std::vector<Tried>& tried, Duration took) {
  Result<health::ProbeResult> verdict = Error{ErrorCode::unavailable, "no address was tried"};
  bool answered = false, hangs = true, own = true;
  for (const auto& [address, result] : tried) {
    if (result && result->answered) {
      answered = true;
      hangs = hangs && result->quiet > Duration{};
      own = own && result->own;
    }
    if (!result && verdict) continue;  // what this machine lacks says less than what came of another address
    verdict = result;
    if (verdict) verdict->detail = fmt::format("{}: {}", to_text(address), result->detail);
  }
  if (!verdict) return verdict;
  if (!verdict->success && tried.size() > 1)
    verdict->detail = fmt::format("none of {} addresses; {}", tried.size(), verdict->detail);
  verdict->took = took;
  verdict->answered = answered;
  verdict->quiet = answered && hangs ? took : Duration{};
  verdict->own = answered && own;
  return verdict;
}

}  // namespace sluice::probe
