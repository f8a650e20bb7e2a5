// Bodies of responses and lines of agents, over real sockets: what is well, and what ends as one named
// failure.
#include "probe/body.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <boost/asio/steady_timer.hpp>

#include "support.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

namespace {

constexpr Duration in_time = guard;   // the test does not depend on it
constexpr Duration deadline = 100ms;  // what is waited for in vain

// Says the texts, one after the other, and then closes.
Behaviour says(std::vector<std::string> texts) {
  return [texts](tcp::socket& socket) -> asio::awaitable<void> {
    co_await read_request(socket);
    for (const auto& text : texts) co_await write_text(socket, text);
  };
}

// Says the text, and then nothing, until the prober has gone.
Behaviour says_and_waits(std::string text) {
  return [text](tcp::socket& socket) -> asio::awaitable<void> {
    co_await read_request(socket);
    co_await write_text(socket, text);
    co_await read_request(socket);
  };
}

Behaviour says_and_resets(std::string text) {
  return [text](tcp::socket& socket) -> asio::awaitable<void> {
    co_await read_request(socket);
    co_await write_text(socket, text);
    reset(socket);
  };
}

// Says the first text, and then the second one again and again until the prober has gone.
Behaviour says_without_end(std::string first, std::string again, Duration pause,
                           std::size_t* said = nullptr) {
  return [=](tcp::socket& socket) -> asio::awaitable<void> {
    co_await read_request(socket);
    asio::steady_timer timer(socket.get_executor());
    bool open = co_await write_text(socket, first);
    while (open) {
      if (said) *said += again.size();
      timer.expires_after(pause);
      if (pause > 0ms) co_await timer.async_wait(as_result);
      open = co_await write_text(socket, again);
    }
  };
}

// An agent is not asked.
Behaviour agent_says(std::string text, bool waits = false) {
  return [=](tcp::socket& socket) -> asio::awaitable<void> {
    co_await write_text(socket, text);
    if (waits) co_await read_request(socket);
  };
}

const std::string head = "HTTP/1.1 200 OK\r\n";
const std::string huge = head + "Content-Length: 10000000000\r\n\r\n";
const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("the body has to have what the check wants") {
  struct Row {
    std::string name;
    Behaviour behaviour;
    Duration timeout;
    bool success;
    std::string detail;
    const char* pattern = nullptr;  // else the text "all is well"
  };
  const std::string missing = "status 200, but its body has not 'all is well'";
  const std::string beyond = "status 200, but the first 64 KiB of its body have not 'all is well'";
  const std::string piece(1000, 'x');
  const Row rows[] = {
      {"there", says({head + "Content-Length: 11\r\n\r\nall is well"}), in_time, true, "200 OK"},
      {"in two pieces", says({head + "Content-Length: 11\r\n\r\nall i", "s well"}), in_time, true, "200 OK"},
      {"up to the end of the connection", says({head + "\r\n", "so all is well."}), in_time, true, "200 OK"},
      {"in chunks", says({chunked + "5;x=y\r\nall i\r\n6\r\ns well\r\n0\r\n\r\n"}), in_time, true, "200 OK"},
      {"followed by silence", says_and_waits(huge + "all is well"), in_time, true, "200 OK"},
      {"followed by a reset", says_and_resets(huge + "all is well"), in_time, true, "200 OK"},
      {"followed by much", says_without_end(huge + "all is well", piece, 0ms), in_time, true, "200 OK"},
      {"not there", says({head + "Content-Length: 2\r\n\r\nno"}), in_time, false, missing},
      {"an empty body", says({head + "Content-Length: 0\r\n\r\n"}), in_time, false, missing},
      {"no body", says({"HTTP/1.1 204 No Content\r\n\r\n"}), in_time, false,
       "status 204, but its body has not 'all is well'"},
      {"a body of 10 GB", says_without_end(huge, piece, 0ms), in_time, false, beyond},
      {"chunks without end", says_without_end(chunked, "3e8\r\n" + piece + "\r\n", 0ms), in_time, false,
       beyond},
      {"small chunks without end", says_without_end(chunked, "10;" + piece + "\r\n0123456789abcdef\r\n", 0ms),
       in_time, false, beyond},
      {"chunks with much beside them, without a pause",
       says_without_end(chunked, "1;" + std::string(16'000, 'x') + "\r\nx\r\n", 0ms), deadline, false,
       "timeout after 100ms while reading the response's body"},
      {"a chunk's head without end", says_without_end(chunked + "1;", piece, 0ms), in_time, false,
       "the response's body is broken"},
      {"no chunk", says({chunked + "nonsense\r\n"}), in_time, false, "the response's body is broken"},
      {"closed within the body", says({huge + "all is"}), in_time, false,
       "connection closed within the response's body"},
      {"reset within the body", says_and_resets(huge + "all is"), in_time, false,
       "connection closed within the response's body"},
      {"silence within the body", says_and_waits(huge + "all is"), deadline, false,
       "timeout after 100ms while reading the response's body"},
      {"octet by octet", says_without_end(huge, "x", 5ms), deadline, false,
       "timeout after 100ms while reading the response's body"},
      {"another status: not read", says_and_waits("HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nall is well"),
       in_time, false, "status 503, expected 200-299"},
      {"a pattern", says({head + "\r\n\xFF\xFE{\"load\": 17}\xC3"}), in_time, true, "200 OK",
       "\"load\": *[0-9]{1,2}\\b"},
      {"a pattern that does not match", says({head + "\r\n{\"load\": 170}"}), in_time, false,
       "status 200, but its body has not a match of '\"load\": *[0-9]{1,2}\\b'", "\"load\": *[0-9]{1,2}\\b"},
      {"a pattern, followed by silence", says_and_waits(chunked + "4\r\nok.\n\r\n"), in_time, true, "200 OK",
       "o[k]"},
      {"a pattern in 10 GB", says_without_end(huge, piece, 0ms), in_time, false,
       "status 200, but the first 64 KiB of its body have not a match of '(x+x+)+y'", "(x+x+)+y"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    asio::io_context io;
    const Server server(io, "127.0.0.1", row.behaviour);
    auto target = make_target(config::CheckType::http, server.endpoint());
    target.check.timeout = row.timeout;
    if (row.pattern)
      target.check.body_regex = row.pattern;
    else
      target.check.body = "all is well";
    const auto result = first_result(io, target);
    CHECK(result.success == row.success);
    CHECK(result.detail == row.detail);
  }
}

TEST_CASE("of a body without end no more is taken than what is looked at") {
  for (const bool wanted : {false, true}) {
    CAPTURE(wanted);
    std::size_t said = 0;
    asio::io_context io;
    const Server server(io, "127.0.0.1", says_without_end(huge, std::string(100'000, 'x'), 0ms, &said));
    auto target = make_target(config::CheckType::http, server.endpoint());
    if (wanted) target.check.body = "all is well";
    CHECK(first_result(io, target).success != wanted);
    CHECK(said < 64U << 20);  // what the kernel's buffers hold, on both sides
  }
}

TEST_CASE("a response to HEAD ends with its header") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", says_and_waits(head + "Content-Length: 11\r\n\r\n"));
  auto target = make_target(config::CheckType::http, server.endpoint());
  target.check.method = "HEAD";
  CHECK(first_result(io, target).detail == "200 OK");
}

TEST_CASE("agents") {
  using health::Word;
  struct Row {
    std::string name;
    Behaviour behaviour;
    Duration timeout;
    bool success;
    Word word;
    std::string detail;
  };
  const Row rows[] = {
      {"a line", agent_says("up 75%\n"), in_time, true, Word::none, "the agent says up 75%"},
      {"a line and silence", agent_says("drain\r\n", true), in_time, true, Word::drain,
       "the agent says drain"},
      {"a line without its end", agent_says("down #disk"), in_time, false, Word::down,
       "the agent says down (disk)"},
      {"much after the line", agent_says("up\n" + std::string(1 << 20, 'x'), true), in_time, true, Word::none,
       "the agent says up"},
      {"nothing", agent_says(""), in_time, false, Word::none, "the agent says nothing"},
      {"silence", agent_says("", true), deadline, false, Word::none,
       "timeout after 100ms while waiting for the agent's line"},
      {"silence within the line", agent_says("up", true), deadline, false, Word::none,
       "timeout after 100ms while waiting for the agent's line"},
      {"a line without end", agent_says(std::string(1 << 20, 'u')), in_time, false, Word::none,
       "the agent's line is longer than 256 octets"},
      {"no UTF-8", agent_says("\xC3\x28\xFF\n"), in_time, false, Word::none,
       "the agent says '(', which is no word of an agent"},
      {"a web server", agent_says("HTTP/1.1 400 Bad Request\r\n\r\n"), in_time, false, Word::none,
       "the agent says 'HTTP/1.1', which is no word of an agent"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    asio::io_context io;
    const Server server(io, "::1", row.behaviour);
    auto target = make_target(config::CheckType::agent, server.endpoint());
    target.check.timeout = row.timeout;
    const auto result = first_result(io, target);
    CHECK(result.success == row.success);
    CHECK(result.word == row.word);
    CHECK(result.detail == row.detail);
  }
}
