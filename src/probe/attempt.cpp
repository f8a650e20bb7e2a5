#include "probe/attempt.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "probe/cadence.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

constexpr std::uint16_t http_port = 80;

// Interim responses (1xx, RFC 9110 section 15.2) that are skipped before the final one; servers send one or
// two.
constexpr int interim_responses_max = 8;

tcp::endpoint to_endpoint(const Address& address, std::uint16_t port) {
  const auto& octets = address.octets;
  if (address.family == Family::v6) return {asio::ip::address_v6(octets), port};
  return {asio::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}), port};
}

// ---- Acting
// ----------------------------------------------------------------------------------------------------

asio::awaitable<error_code> connect(beast::tcp_stream& stream, tcp::endpoint endpoint) {
  const auto [failure] = co_await stream.async_connect(endpoint, as_result);
  if (failure) co_return failure;
  // A port that nobody listens on may be the very one the kernel chose for our end; TCP then connects to
  // itself.
  error_code ignored;
  const bool to_itself = stream.socket().local_endpoint(ignored) == endpoint;
  co_return to_itself ? error_code(asio::error::connection_refused) : error_code();
}

http::request<http::empty_body> make_request(const Target& target) {
  http::request<http::empty_body> request(http::verb::get, target.check.path, 11);
  request.set(http::field::host, host_field(target));
  request.set(http::field::user_agent, "sluice/" SLUICE_VERSION);
  request.set(http::field::connection, "close");
  return request;
}

// Few octets and then the end of the connection: what another protocol says to our request (a TLS alert, say)
// looks like this, too.
bool may_be_http(const beast::flat_buffer& buffer) {
  constexpr std::string_view start = "HTTP/";
  const std::string_view text(static_cast<const char*>(buffer.data().data()), buffer.size());
  return text.substr(0, start.size()) == start.substr(0, text.size());
}

// Reads response headers up to the final one's end; bodies are left where they are.
asio::awaitable<std::pair<error_code, unsigned>> read_status(beast::tcp_stream& stream) {
  beast::flat_buffer buffer(header_size_max);
  unsigned status = 0;
  for (int responses = 0; responses <= interim_responses_max; ++responses) {
    http::response_parser<http::empty_body> parser;
    parser.header_limit(header_size_max);
    parser.body_limit(boost::none);  // we do not read it, so it may be of any length
    auto [failure, parsed] = co_await http::async_read_header(stream, buffer, parser, as_result);
    if (failure == http::error::partial_message && parsed == 0 && !may_be_http(buffer))
      failure = http::error::bad_version;
    if (failure) co_return std::pair(failure, 0U);
    status = parser.get().result_int();
    if (http::to_status_class(status) != http::status_class::informational) break;
  }
  co_return std::pair(error_code(), status);
}

asio::awaitable<void> converse(beast::tcp_stream& stream, const Target& target, Attempt& attempt) {
  attempt.failure = co_await connect(stream, to_endpoint(*target.destination.address(), target.check.port));
  if (attempt.failure) co_return;
  switch (target.check.type) {
    case config::CheckType::tcp:
      break;
    case config::CheckType::http: {
      attempt.stage = Stage::responding;
      const auto request = make_request(target);
      std::size_t size = 0;
      std::tie(attempt.failure, size) = co_await http::async_write(stream, request, as_result);
      if (attempt.failure) co_return;
      const auto [failure, status] = co_await read_status(stream);
      attempt.failure = failure;
      if (failure) co_return;
      attempt.status = status;
      break;
    }
  }
  attempt.stage = Stage::done;
}

// ---- Deciding
// --------------------------------------------------------------------------------------------------

// Failures of this machine, whatever the endpoint's state is.
bool is_own(const error_code& failure) {
  namespace errc = boost::system::errc;
  constexpr errc::errc_t own[] = {
      errc::too_many_files_open,
      errc::too_many_files_open_in_system,  // descriptors
      errc::no_buffer_space,
      errc::not_enough_memory,
      errc::address_not_available,         // no free port on our side, or no address of the family
      errc::address_family_not_supported,  // IPv6 is switched off
  };
  return std::any_of(std::begin(own), std::end(own), [&](errc::errc_t code) { return failure == code; });
}

std::string timeout_text(const config::Check& check, Stage stage) {
  const char* what = stage == Stage::connecting ? "connecting" : "waiting for a response";
  return fmt::format("timeout after {} while {}", to_text(check.timeout), what);
}

// What an HTTP response has to begin with to be one, or how the connection ended before that.
std::string response_failure_text(const error_code& failure) {
  if (failure == http::error::end_of_stream || failure == asio::error::eof ||
      failure == asio::error::connection_reset || failure == asio::error::broken_pipe)
    return "connection closed before a response";
  if (failure == http::error::partial_message) return "connection closed within the response's header";
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return fmt::format("response header longer than {} KiB", header_size_max / 1024);
  if (failure.category() == make_error_code(http::error::bad_version).category()) return "not HTTP";
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
  if (attempt.failure == beast::error::timeout || attempt.failure == asio::error::timed_out)
    return timeout_text(check, attempt.stage);
  switch (attempt.stage) {
    case Stage::connecting:
      return connect_failure_text(attempt.failure);
    case Stage::responding:
      return response_failure_text(attempt.failure);
    case Stage::done:
      break;
  }
  return {};
}

std::string to_text(const std::vector<config::StatusRange>& ranges) {
  std::string text;
  for (const auto& [first, last] : ranges) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", first);
    if (last != first) text += fmt::format("-{}", last);
  }
  return text;
}

health::ProbeResult judge_status(const config::Check& check, unsigned status, Duration took) {
  const bool expected = std::any_of(
      check.expect.begin(), check.expect.end(),
      [&](const config::StatusRange& range) { return range.first <= status && status <= range.last; });
  if (!expected) return {false, fmt::format("status {}, expected {}", status, to_text(check.expect)), took};
  // Our words for the status and not the server's: theirs may be anything.
  const auto reason = http::obsolete_reason(http::int_to_status(status));
  return {true, fmt::format("{} {}", status, std::string_view(reason.data(), reason.size())), took};
}

}  // namespace

asio::awaitable<Attempt> run_attempt(beast::tcp_stream& stream, const Target& target) {
  Attempt attempt;
  const auto start = Clock::now();
  stream.expires_at(start + target.check.timeout);  // once: for all that follows together
  co_await converse(stream, target, attempt);
  attempt.took = std::chrono::duration_cast<Duration>(Clock::now() - start);
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  stream.close();
  co_return attempt;
}

Result<health::ProbeResult> judge(const config::Check& check, const Attempt& attempt) {
  if (attempt.failure && is_own(attempt.failure))
    return Error{ErrorCode::unavailable, attempt.failure.message()};
  if (attempt.failure) return health::ProbeResult{false, failure_text(check, attempt), attempt.took};
  if (attempt.status) return judge_status(check, *attempt.status, attempt.took);
  return health::ProbeResult{true, "connected", attempt.took};
}

Target at_address(const Target& host, const Address& address, Duration limit) {
  Target target{address, host.check};
  target.check.host = host_field(host);
  target.check.timeout = limit;
  return target;
}

Result<health::ProbeResult> judge_host(const std::vector<Tried>& tried, Duration took) {
  Result<health::ProbeResult> verdict = Error{ErrorCode::unavailable, "no address was tried"};
  for (const auto& [address, result] : tried) {
    if (!result && verdict) continue;  // what this machine lacks says less than what came of another address
    verdict = result;
    if (verdict) verdict->detail = fmt::format("{}: {}", to_text(address), result->detail);
  }
  if (!verdict) return verdict;
  if (!verdict->success && tried.size() > 1)
    verdict->detail = fmt::format("none of {} addresses; {}", tried.size(), verdict->detail);
  verdict->took = took;
  return verdict;
}

std::string host_field(const Target& target) {
  const auto& [destination, check] = target;
  if (!check.host.empty()) return check.host;
  auto host = to_text(destination);
  if (destination.is_host())
    host.pop_back();  // RFC 3986, 3.2.2 allows the final dot; servers do not expect it
  const auto* address = destination.address();
  if (address && address->family == Family::v6) host = fmt::format("[{}]", host);
  return check.port == http_port ? host : fmt::format("{}:{}", host, check.port);
}

}  // namespace sluice::probe
