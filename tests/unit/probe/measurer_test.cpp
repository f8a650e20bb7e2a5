// Analyses that ask servers on loopback, which behave well or not.
#include "probe/measurer.hpp"

#include <fmt/format.h>

#include "support.hpp"

namespace sluice::probe {
namespace {

using rollout::Finding;
using rollout::Verdict;

std::string response(std::string_view body, std::string_view status = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status, body.size(),
                     body);
}

std::string value(std::string_view number) {
  return response(fmt::format(
      R"({{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{}"]}}]}}}})",
      number));
}

// Answers each query by the first row whose key stands in the request.
Behaviour answers(std::vector<std::pair<std::string, std::string>> rows,
                  std::vector<std::string>* asked = nullptr) {
  return [rows = std::move(rows), asked](tcp::socket& socket) -> asio::awaitable<void> {
    const auto request = co_await read_request(socket);
    if (asked) asked->push_back(request);
    std::string reply;
    for (const auto& [key, text] : rows)
      if (reply.empty() && request.find(key) != std::string::npos) reply = text;
    co_await write_text(socket, std::move(reply));
  };
}

Question question(const Server& server, config::AnalysisType type = config::AnalysisType::prometheus) {
  Question question;
  question.analysis.name = "errors";
  question.analysis.type = type;
  question.analysis.url = fmt::format("http://127.0.0.1:{}", server.port());
  question.analysis.timeout = 10s;
  question.analysis.query = "errors-of-{pool}-";
  question.analysis.max = 0.05;
  question.name = "www.shop.example";
  question.pool = "v2";
  question.old = {"v1"};
  return question;
}

Finding find(asio::io_context& io, Question asked) {
  std::optional<Finding> found;
  Measurer measurer(io.get_executor());
  measurer.measure(std::move(asked), [&](Finding finding) { found = std::move(finding); });
  run_until(io, [&] { return found.has_value(); });
  return *found;
}

TEST_CASE("a stopped measurer leaves nothing that the event loop would wait for") {
  asio::io_context servers, io;
  const Server server(servers, "127.0.0.1", {});  // never answers
  Measurer measurer(io.get_executor());
  auto asked = question(server);
  asked.analysis.timeout = 10min;
  measurer.measure(std::move(asked), [](const Finding&) { FAIL("called after stop()"); });
  io.poll();
  measurer.stop();
  io.restart();
  io.run_for(guard);
  CHECK(io.stopped());
}

TEST_CASE("a query's value is held against the threshold") {
  asio::io_context io;
  std::vector<std::string> asked;
  const Server server(io, "127.0.0.1", answers({{"errors-of-v2-", value("0.2")}}, &asked));
  auto wanted = question(server);
  wanted.analysis.headers = {{"Authorization", "Bearer abc"}};
  const auto finding = find(io, wanted);
  CHECK(finding.verdict == Verdict::failure);
  CHECK(finding.text == "0.2 is more than the max of 0.05");
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].starts_with("GET /api/v1/query?query=errors-of-v2- HTTP/1.1\r\n"));
  CHECK(asked[0].find("Authorization: Bearer abc\r\n") != std::string::npos);
}

TEST_CASE("samples and the old pool are asked for, too") {
  asio::io_context io;
  const Server server(
      io, "127.0.0.1",
      answers(
          {{"errors-of-v2-", value("0.2")}, {"errors-of-v1-", value("0.1")}, {"count-of-v2-", value("50")}}));
  auto wanted = question(server);
  wanted.analysis.relative_to_old = true;
  wanted.analysis.max = 3;
  wanted.analysis.samples = "count-of-{pool}-";
  wanted.analysis.samples_min = 50;
  CHECK(find(io, wanted).text == "2 times the old pool's (0.2 to 0.1) is at most 3");
  wanted.analysis.samples_min = 51;
  CHECK(find(io, wanted).verdict == Verdict::inconclusive);
}

TEST_CASE("what goes wrong is an error with its reason") {
  struct Row {
    const char* what;
    std::string reply;
    const char* error;
  };
  const Row rows[] = {
      {"no HTTP", "hello\r\n\r\n", "not HTTP"},
      {"nothing", "", "connection closed before a response"},
      {"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
       "connection closed within the response's body"},
      {"too long by its own word", "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
       "the response is longer than 1024 KiB"},
      {"too long", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(1'200'000, 'x'),
       "the response is longer than 1024 KiB"},
      {"a long header", "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n",
       "response header longer than 64 KiB"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    asio::io_context io;
    const Server server(io, "127.0.0.1", answers({{"GET", row.reply}}));
    const auto finding = find(io, question(server));
    CHECK(finding.verdict == Verdict::error);
    CHECK(finding.text == fmt::format("127.0.0.1:{}: {}", server.port(), row.error));
  }
}

TEST_CASE("a server that is silent is an error at the deadline") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", {});
  auto wanted = question(server);
  wanted.analysis.timeout = 50ms;
  CHECK(find(io, wanted).text ==
        fmt::format("127.0.0.1:{}: timeout after 50ms while waiting for a response", server.port()));
}

TEST_CASE("nobody listens") {
  asio::io_context io;
  std::uint16_t port = 0;
  {
    const Server server(io, "127.0.0.1", {});
    port = server.port();
  }
  const Server other(io, "127.0.0.1", {});
  auto wanted = question(other);
  wanted.analysis.url = fmt::format("http://127.0.0.1:{}", port);
  CHECK(find(io, wanted).text == fmt::format("127.0.0.1:{}: connection refused", port));
}

TEST_CASE("a webhook is told what it is about, in JSON") {
  asio::io_context io;
  std::vector<std::string> asked;
  const Server server(io, "127.0.0.1", answers({{"POST", response("too slow", "409 Conflict")}}, &asked));
  const auto finding = find(io, question(server, config::AnalysisType::webhook));
  CHECK(finding.verdict == Verdict::failure);
  CHECK(finding.text == "status 409: too slow");
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].find("Content-Type: application/json\r\n") != std::string::npos);
}

TEST_CASE("a stopped measurer calls nobody back") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", {});
  bool called = false;
  Measurer measurer(io.get_executor());
  measurer.measure(question(server), [&](const Finding&) { called = true; });
  io.poll();
  measurer.stop();
  io.restart();
  io.poll();
  CHECK_FALSE(called);
}

TEST_CASE("without a runner a program is an error") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", {});
  CHECK(find(io, question(server, config::AnalysisType::exec)).text == "there is no runner of programs");
}

}  // namespace
}  // namespace sluice::probe
