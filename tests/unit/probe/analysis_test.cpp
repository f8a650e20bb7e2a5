// What analyses ask, and what the answers come to: without sockets.
#include "probe/analysis.hpp"

#include <cmath>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace sluice::probe {
namespace {

using rollout::Verdict;

constexpr std::string_view success = R"({{"status":"success","data":{}}})";

std::string vector_of(std::string_view elements) {
  return fmt::format(fmt::runtime(success),
                     fmt::format(R"({{"resultType":"vector","result":[{}]}})", elements));
}
std::string element(std::string_view value) {
  return fmt::format(R"({{"metric":{{"pool":"v2"}},"value":[1700000000.123,{}]}})", value);
}

Question question() {
  Question question;
  question.analysis.name = "errors";
  question.analysis.url = "http://127.0.0.1:9090/prefix/";
  question.analysis.command = {"/bin/true", "an argument"};
  question.analysis.timeout = Duration(2000);
  question.name = "www.shop.example";
  question.pool = "v2";
  question.old = {"v1", "v3"};
  question.rollout = 7;
  question.step = 2;
  question.steps = 3;
  question.share = 0.05;
  return question;
}

TEST_CASE("replies of Prometheus that are values") {
  struct Row {
    const char* what;
    std::string body;
    std::optional<double> value;
  };
  const Row rows[] = {
      {"one element", vector_of(element("\"0.25\"")), 0.25},
      {"none", vector_of(""), {}},
      {"NaN", vector_of(element("\"NaN\"")), {}},
      {"an exponent", vector_of(element("\"1.5e-3\"")), 0.0015},
      {"below zero", vector_of(element("\"-2\"")), -2},
      {"a scalar", R"({"status":"success","data":{"resultType":"scalar","result":[1,"3"]}})", 3},
      {"with warnings",
       R"({"status":"success","warnings":["w"],"data":{"resultType":"vector","result":[]}})",
       {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto read = read_prometheus({200, row.body});
    REQUIRE(read.has_value());
    CHECK(*read == row.value);
  }
  const auto infinite = read_prometheus({200, vector_of(element("\"+Inf\""))});
  REQUIRE(infinite.has_value());
  CHECK(std::isinf(infinite->value()));
}

TEST_CASE("replies of Prometheus that are errors") {
  struct Row {
    const char* what;
    unsigned status;
    std::string body;
    const char* error;
  };
  const auto no_sample = "Prometheus sends a sample that is none";
  const Row rows[] = {
      {"several", 200, vector_of(element("\"1\"") + "," + element("\"2\"")),
       "the query gives 2 values, and one is wanted: aggregate them, with sum() say"},
      {"refused", 400,
       R"({"status":"error","errorType":"bad_data","error":"parse error: \u001b[31munexpected"})",
       "Prometheus refuses the query (status 400): parse error: \\u001B[31munexpected"},
      {"a page", 502, "<html>Bad Gateway</html>", "status 502, and no JSON object as Prometheus sends it"},
      {"empty", 200, "", "status 200, and no JSON object as Prometheus sends it"},
      {"cut off", 200, R"({"status":"success","data":{"resultTy)",
       "status 200, and no JSON object as Prometheus sends it"},
      {"no object", 200, "[1]", "status 200, and no JSON object as Prometheus sends it"},
      {"a matrix", 200, R"({"status":"success","data":{"resultType":"matrix","result":[]}})",
       "the query gives a result of type 'matrix', and a vector or scalar is wanted"},
      {"no data", 200, R"({"status":"success"})",
       "the query gives a result of type '', and a vector or scalar is wanted"},
      {"data of another kind", 200, R"({"status":"success","data":3})",
       "the query gives a result of type '', and a vector or scalar is wanted"},
      {"a result of another kind", 200, R"({"status":"success","data":{"resultType":"vector","result":{}}})",
       "the query gives a result of type 'vector', and a vector or scalar is wanted"},
      {"an element of another kind", 200, vector_of("5"), "Prometheus sends an element without a value"},
      {"a histogram", 200, vector_of(R"({"metric":{},"histogram":[1,{}]})"),
       "Prometheus sends an element without a value"},
      {"a number that is no text", 200, vector_of(element("0.25")), no_sample},
      {"a text that is no number", 200, vector_of(element("\"0.25x\"")), no_sample},
      {"an empty text", 200, vector_of(element("\"\"")), no_sample},
      {"deep", 200, std::string(100'000, '['), "status 200, and no JSON object as Prometheus sends it"},
      {"huge", 200, std::string(reply_size_max + 1, ' '), "Prometheus sends too much"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto read = read_prometheus({row.status, row.body});
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message.size() < 300);
    if (std::string_view(row.what) != "refused") CHECK(read.error().message == row.error);
    CHECK(read.error().message.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("placeholders are filled in, and braces of PromQL stay") {
  const auto asked = question();
  CHECK(fill(R"(rate(x{pool="{pool}"}[1m]))", asked, "v2") == R"(rate(x{pool="v2"}[1m]))");
  CHECK(fill("{name} {old} {pool} {pool} {other} {", asked, "v2") ==
        "www.shop.example v1|v3 v2 v2 {other} {");
  CHECK(fill("{pool}", asked, old_pools(asked)) == "v1|v3");
}

TEST_CASE("a query is part of the path, and nothing of it gets out") {
  const auto request = prometheus_request(question(), "a{b=\"c\"} & d#\r\nX: y");
  CHECK(request.url.target == "/prefix/api/v1/query?query=a%7Bb%3D%22c%22%7D%20%26%20d%23%0D%0AX%3A%20y");
  CHECK(request.url.host_field == "127.0.0.1:9090");
  CHECK_FALSE(request.json.has_value());
}

TEST_CASE("a program is told what for, and its end is a verdict") {
  const auto asked = question();
  const auto program = program_of(asked);
  CHECK(program.arguments == asked.analysis.command);
  CHECK(program.environment == std::vector<std::string>{"SLUICE_ANALYSIS=errors",
                                                        "SLUICE_NAME=www.shop.example", "SLUICE_POOL=v2",
                                                        "SLUICE_OLD=v1 v3", "SLUICE_ROLLOUT=7",
                                                        "SLUICE_STEP=2", "SLUICE_SHARE=0.05"});
  struct Row {
    ProgramEnd end;
    Verdict verdict;
    std::optional<double> value;
    const char* text;
  };
  const Row rows[] = {
      {{Ending::exited, 0, "checking\n0.25\n", {}}, Verdict::success, 0.25, "exit status 0: 0.25"},
      {{Ending::exited, 0, "", {}}, Verdict::success, {}, "exit status 0"},
      {{Ending::exited, 0, "nan", {}}, Verdict::success, {}, "exit status 0: nan"},
      {{Ending::exited, 1, "1\ntoo slow", {}}, Verdict::failure, {}, "exit status 1: too slow"},
      {{Ending::exited, 2, "0.1", {}}, Verdict::error, 0.1, "exit status 2: 0.1"},
      {{Ending::killed, 9, "", {}}, Verdict::error, {}, "killed by signal 9 (Killed)"},
      {{Ending::timed_out, 0, "", {}}, Verdict::error, {}, "timeout after 2s"},
      {{Ending::not_started, 2, "", {}}, Verdict::error, {}, "cannot be started: No such file or directory"},
      {{Ending::lost, 0, "", {}}, Verdict::error, {}, "the process that watched the program was killed"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto finding = judge(asked, row.end);
    CHECK(finding.verdict == row.verdict);
    CHECK(finding.value == row.value);
    CHECK(finding.text == row.text);
  }
  CHECK(judge(asked, Error{ErrorCode::unavailable, "stopped"}).verdict == Verdict::error);
}

TEST_CASE("a webhook's status is a verdict") {
  const std::pair<unsigned, Verdict> rows[] = {
      {200, Verdict::success}, {204, Verdict::inconclusive}, {400, Verdict::failure}, {409, Verdict::failure},
      {499, Verdict::failure}, {201, Verdict::error},        {302, Verdict::error},   {500, Verdict::error},
  };
  for (const auto& [status, verdict] : rows) {
    CAPTURE(status);
    CHECK(judge_webhook(WebReply{status, ""}).verdict == verdict);
  }
  const auto with_value = judge_webhook(WebReply{409, "errors:\n0.2\n"});
  CHECK(with_value.value == 0.2);
  CHECK(with_value.text == "status 409: 0.2");
  CHECK(judge_webhook(Error{ErrorCode::unavailable, "connection refused"}).text == "connection refused");
}

}  // namespace
}  // namespace sluice::probe
