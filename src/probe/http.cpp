#include "probe/http.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include "base/as_result.hpp"
#include "probe/body.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::buffer_body>;

// Interim responses (1xx, RFC 9110 section 15.2) that are skipped before the final one; servers send one or
// two.
constexpr int interim_responses_max = 8;

bool brings_field(const config::Check& check, std::string_view name) {
  return std::any_of(check.headers.begin(), check.headers.end(),
                     [&](const config::HeaderField& field) { return beast::iequals(field.name, name); });
}

// Written out by us, as it is put together for each probe; the config has checked what it is made of.
std::string request_text(const Target& target) {
  const auto& check = target.check;
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n",
                                 check.method.empty() ? "GET" : check.method, check.path, host_field(target));
  if (!brings_field(check, "User-Agent")) text += "User-Agent: sluice/" SLUICE_VERSION "\r\n";
  for (const auto& [name, value] : check.headers) text += fmt::format("{}: {}\r\n", name, value);
  // RFC 9110, 8.6: methods that have a body by their meaning say that there is none.
  constexpr std::string_view with_body[] = {"POST", "PUT", "PATCH"};
  if (std::find(std::begin(with_body), std::end(with_body), check.method) != std::end(with_body))
    text += "Content-Length: 0\r\n";
  return text + "Connection: close\r\n\r\n";
}

// Few octets and then the end of the connection: what another protocol says to our request (a TLS alert, say)
// looks like this, too.
bool may_be_http(const beast::flat_buffer& buffer) {
  constexpr std::string_view start = "HTTP/";
  const std::string_view text(static_cast<const char*>(buffer.data().data()), buffer.size());
  return text.substr(0, start.size()) == start.substr(0, text.size());
}

// The parser says where an orderly end came. A reset is none to it, nor an end of TLS without a closing word.
error_code as_end(const error_code& failure, bool has_begun) {
  if (failure != asio::ssl::error::stream_truncated && failure != asio::error::connection_reset)
    return failure;
  return has_begun ? http::error::partial_message : http::error::end_of_stream;
}

// Reads response headers up to the final one's end.
template <class Stream>
asio::awaitable<error_code> read_header(Stream& stream, beast::flat_buffer& buffer,
                                        std::optional<Parser>& parser, Attempt& attempt) {
  for (int responses = 0; responses <= interim_responses_max; ++responses) {
    parser.emplace();
    parser->header_limit(header_size_max);
    parser->body_limit(boost::none);  // we read as much as we want
    auto [failure, parsed] = co_await http::async_read_header(stream, buffer, *parser, as_result);
    const bool has_begun = parsed != 0 || buffer.size() != 0;
    attempt.received = attempt.received || has_begun;
    failure = as_end(failure, has_begun);
    if (failure == http::error::partial_message && parsed == 0 && !may_be_http(buffer))
      failure = http::error::bad_version;
    if (failure) co_return failure;
    if (http::to_status_class(parser->get().result_int()) != http::status_class::informational) break;
  }
  co_return error_code();
}

// Reads until the search is settled, or the body ends.
template <class Stream>
asio::awaitable<error_code> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                                      BodySearch& search) {
  while (!parser.is_done() && !search.settled()) {
    const auto room = search.room();
    auto& body = parser.get().body();
    body.data = room.data();
    body.size = room.size();
    body.more = true;
    auto [failure, parsed] = co_await http::async_read_some(stream, buffer, parser, as_result);
    search.take(room.size() - body.size);
    if (failure == asio::ssl::error::stream_truncated && parser.need_eof()) break;
    if (failure && failure != http::error::need_buffer) co_return failure;
  }
  search.end();
  co_return error_code();
}

template <class Stream>
asio::awaitable<void> look_into_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                                     const config::Check& check, const Tools& tools, Attempt& attempt) {
  attempt.stage = Stage::body;
  BodySearch search(check, tools.pattern.get());
  attempt.failure = co_await read_body(stream, buffer, parser, search);
  if (attempt.failure && !search.found()) co_return;
  attempt.failure = {};
  attempt.body = search.found()      ? BodyFinding::found
                 : search.at_limit() ? BodyFinding::not_in_begin
                                     : BodyFinding::missing;
}

template <class Stream>
asio::awaitable<void> ask_over(Stream& stream, const Target& target, const Tools& tools, Attempt& attempt) {
  const auto& check = target.check;
  attempt.stage = Stage::responding;
  const auto request = request_text(target);
  std::size_t size = 0;
  std::tie(attempt.failure, size) = co_await asio::async_write(stream, asio::buffer(request), as_result);
  if (attempt.failure) co_return;
  beast::flat_buffer buffer(header_size_max);
  std::optional<Parser> parser;
  attempt.failure = co_await read_header(stream, buffer, parser, attempt);
  if (attempt.failure) co_return;
  attempt.status = parser->get().result_int();
  const bool wanted = !check.body.empty() || tools.pattern;
  if (wanted && is_expected(check, *attempt.status)) {
    co_await look_into_body(stream, buffer, *parser, check, tools, attempt);
    if (attempt.failure) co_return;
  }
  attempt.stage = Stage::done;
}

}  // namespace

asio::awaitable<void> ask(asio::ip::tcp::socket& stream, const Target& target, const Tools& tools,
                          Attempt& attempt) {
  return ask_over(stream, target, tools, attempt);
}

asio::awaitable<void> ask(TlsStream& stream, const Target& target, const Tools& tools, Attempt& attempt) {
  return ask_over(stream, target, tools, attempt);
}

bool is_expected(const config::Check& check, unsigned status) {
  return std::any_of(check.expect.begin(), check.expect.end(), [&](const config::StatusRange& range) {
    return range.first <= status && status <= range.last;
  });
}

}  // namespace sluice::probe
