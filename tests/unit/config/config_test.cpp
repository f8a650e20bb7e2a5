// What a good config becomes: values, defaults, order, paths; the reference; files that cannot be read.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <unistd.h>

#include "../../support/certificate.hpp"
#include "config/pattern.hpp"
#include "config/schema.hpp"
#include "support.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view whole = R"([server]
listen = ["127.0.0.1:5300", "[::1]:0"]
workers = 4
state = "/var/lib/sluice"
user = "sluice"

[admin]
socket = "run/admin.sock"
http = "127.0.0.1:8053"

[zone."Shop.Example"]
file = "shop.example.zone"
[zone.example]
file = "/etc/example.zone"

[check.web]
type = "http"
path = "/healthz?full"
host = "www.shop.example:8080"
expect = [204, "200", "300-399"]
interval = "500ms"
timeout = "0.25s"
rise = 1
fall = 100
port = 8080
[check.port]
type = "tcp"
port = 443

[pool.v1]
check = "web"
endpoints = ["192.0.2.10", { address = "192.0.2.11", weight = 2.5 }, { weight = 0, address = "2001:db8::10" }]
[pool."v2.1_a-B"]
endpoints = ["192.0.2.20"]

[steer."www.shop.example"]
pools = { "v2.1_a-B" = 5, v1 = 95 }
ttl = "0s"
answers = 64
method = "sticky"
subnet_v4 = 0
subnet_v6 = 128
[steer."*.example"]
pools.v1 = 1e-3
)";

Config loaded(std::string_view text, const std::string& file = "sluice.toml") {
  auto result = load_text(text, file);
  CHECK(text_of(result.errors) == "");
  REQUIRE(result.config);
  return *std::move(result.config);
}

wire::Name name(std::string_view text) { return *wire::Name::parse(text); }

// What a check of http or https without other keys becomes.
Check default_check(const std::string& its_name, CheckType type) {
  Check check;
  check.name = its_name;
  check.type = type;
  check.interval = 2s;
  check.timeout = 1s;
  check.rise = 2;
  check.fall = 3;
  check.clear = 6;
  check.hold_down = 10s;
  check.hold_down_max = 5min;
  check.port = type == CheckType::https ? 443 : 80;
  check.method = "GET";
  check.path = "/";
  check.expect = {{200, 299}};
  return check;
}

// A folder that is removed at the end of the test.
class Folder {
 public:
  Folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-config-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& file, const std::string& text) const {
    std::ofstream(path_ / file, std::ios::binary) << text;
    return (path_ / file).string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string error_of(const LoadResult& result) {
  REQUIRE(result.errors.size() == 1);
  CHECK(!result.config);
  return text_of(result.errors);
}

TEST_CASE("cookies, rate limit, identity") {
  const auto absent = load_after_head("");
  REQUIRE(absent.config);
  CHECK(absent.config->cookies.mode == CookieMode::on);
  CHECK(absent.config->cookies.secrets.empty());
  CHECK(!absent.config->rate_limit);
  CHECK(absent.config->server.identity.empty());

  const auto given = load_after_head(
      "[cookies]\nmode = \"required\"\nsecrets = \"/run/cookies\"\n"
      "[rate_limit]\nresponses_per_second = 50\nexempt = [\"192.0.2.0/24\", \"2001:db8::1\"]\n");
  REQUIRE_MESSAGE(given.config, text_of(given.errors));
  CHECK(given.config->cookies.mode == CookieMode::required);
  CHECK(given.config->cookies.secrets == "/run/cookies");
  REQUIRE(given.config->rate_limit);
  RateLimit limit;
  limit.responses_per_second = 50;
  limit.exempt = {parse_prefix("192.0.2.0/24").value(), parse_prefix("2001:db8::1").value()};
  CHECK(*given.config->rate_limit == limit);
}

TEST_CASE("keys, transfers and notifies") {
  const auto result = load_after_head(
      "transfer = [\"192.0.2.7\", \"2001:db8::/32\", { address = \"192.0.2.0/24\", key = \"xfr\" }, { key = "
      "\"XFR.\" }]\n"
      "notify = [\"192.0.2.1\", { address = \"192.0.2.2:5353\", key = \"xfr\" }, \"2001:db8::1\", "
      "\"[2001:db8::1]:5353\"]\n"
      "[key.xfr]\nalgorithm = \"hmac-sha512\"\nsecret = \"c2VjcmV0\"\n"
      "[key.\"other.example\"]\nsecret = \"/+8=\"\n");
  REQUIRE_MESSAGE(result.config, text_of(result.errors));
  const auto xfr = wire::Name::parse("xfr").value();
  const auto& zone = result.config->zones[0];
  REQUIRE(zone.transfer.size() == 4);
  CHECK(to_text(*zone.transfer[0].address) == "192.0.2.7/32");
  CHECK(!zone.transfer[0].key);
  CHECK(to_text(*zone.transfer[1].address) == "2001:db8::/32");
  CHECK(to_text(*zone.transfer[2].address) == "192.0.2.0/24");
  CHECK(zone.transfer[2].key == xfr);
  CHECK(!zone.transfer[3].address);
  CHECK(zone.transfer[3].key == xfr);
  REQUIRE(zone.notify.size() == 4);
  CHECK(to_text(zone.notify[0].address) == "192.0.2.1:53");
  CHECK(!zone.notify[0].key);
  CHECK(to_text(zone.notify[1].address) == "192.0.2.2:5353");
  CHECK(zone.notify[1].key == xfr);
  CHECK(to_text(zone.notify[2].address) == "[2001:db8::1]:53");
  const auto& keys = result.config->keys;
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].name == xfr);
  CHECK(keys[0].algorithm == wire::TsigAlgorithm::hmac_sha512);
  CHECK(keys[0].secret == std::vector<std::uint8_t>{'s', 'e', 'c', 'r', 'e', 't'});
  CHECK(keys[1].algorithm == wire::TsigAlgorithm::hmac_sha256);
  CHECK(keys[1].secret == std::vector<std::uint8_t>{0xFF, 0xEF});
}

TEST_CASE("a secret may stand in a file of its own, and no message shows it") {
  std::string folder = (std::filesystem::temp_directory_path() / "sluice-secret-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const auto file = folder + "/xfr";
  const struct {
    const char* content;
    const char* secret;  // null: refused
  } cases[] = {{"c2VjcmV0", "secret"},
               {"  c2VjcmV0\r\n\n", "secret"},
               {"", nullptr},
               {"\n", nullptr},
               {"c2Vj cmV0", nullptr},
               {"hushhush!", nullptr},
               {"c2VjcmV0\nc2VjcmV0", nullptr}};
  for (const auto& each : cases) {
    CAPTURE(each.content);
    std::ofstream(file) << each.content;
    const auto result = load_after_head("[key.xfr]\nsecret_file = \"" + file + "\"\n");
    CHECK(result.config.has_value() == (each.secret != nullptr));
    if (result.config) {
      const auto& secret = result.config->keys[0].secret;
      CHECK(std::string(secret.begin(), secret.end()) == each.secret);
    } else {
      CHECK(
          text_of(result.errors).starts_with("6:15: secret_file: " + file + ": expected a secret in base64"));
      CHECK(text_of(result.errors).find("hush") == std::string::npos);
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace

TEST_CASE("every key lands in its place") {
  const auto config = loaded(whole, "etc/sluice.toml");
  CHECK(config.file == "etc/sluice.toml");

  CHECK(config.server.listen ==
        std::vector{*parse_socket_address("127.0.0.1:5300"), *parse_socket_address("[::1]:0")});
  CHECK(config.server.listen_at == std::vector<Position>{{2, 11}, {2, 29}});
  CHECK(config.server.workers == 4);
  CHECK(config.server.state == "/var/lib/sluice");
  CHECK(config.server.user == "sluice");
  CHECK(config.admin.socket == "etc/run/admin.sock");
  CHECK(config.admin.http == parse_socket_address("127.0.0.1:8053").value());
  CHECK(config.admin.http_at == Position{9, 8});

  REQUIRE(config.zones.size() == 2);
  CHECK(config.zones[0].apex == name("shop.example"));
  CHECK(config.zones[0].file == "etc/shop.example.zone");
  CHECK(config.zones[0].at == Position{12, 8});
  CHECK(config.zones[1].file == "/etc/example.zone");

  REQUIRE(config.checks.size() == 2);
  auto web = default_check("web", CheckType::http);
  web.interval = 500ms;
  web.timeout = 250ms;
  web.rise = 1;
  web.fall = 100;
  web.clear = 200;
  web.port = 8080;
  web.path = "/healthz?full";
  web.host = "www.shop.example:8080";
  web.expect = {{204, 204}, {200, 200}, {300, 399}};
  CHECK(config.checks[0] == web);
  CHECK(config.checks[1].name == "port");
  CHECK(config.checks[1].type == CheckType::tcp);
  CHECK(config.checks[1].port == 443);

  REQUIRE(config.pools.size() == 2);
  CHECK(config.pools[0].name == "v1");
  CHECK(config.pools[0].check == "web");
  CHECK(config.pools[0].endpoints == std::vector<Endpoint>{{*parse_address("192.0.2.10"), 1},
                                                           {*parse_address("192.0.2.11"), 2.5},
                                                           {*parse_address("2001:db8::10"), 0}});
  CHECK(config.pools[1].name == "v2.1_a-B");
  CHECK(!config.pools[1].check);

  REQUIRE(config.steers.size() == 2);
  const auto& steer = config.steers[0];
  CHECK(steer.name == name("www.shop.example"));
  CHECK(steer.at.line == 36);
  CHECK(steer.ttl == 0s);
  CHECK(steer.answers == 64);
  CHECK(steer.method == Method::sticky);
  CHECK(steer.subnet_v4 == 0);
  CHECK(steer.subnet_v6 == 128);
  CHECK(config.steers[1].name.is_wildcard());
  REQUIRE(config.steers[1].pools.size() == 1);
  CHECK(config.steers[1].pools[0].weight == 1e-3);
}

TEST_CASE("an exec check has a command, and a port if it wants one") {
  const auto config = loaded(std::string(head) + R"(
[check.db]
type = "exec"
command = ["/bin/sh", "-c", "two\nlines", ""]
timeout = "2s"
[check.port]
type = "exec"
command = ["/bin/sh"]
port = 5432
)");
  const auto* check = config.find_check("db");
  REQUIRE(check);
  CHECK(check->type == CheckType::exec);
  CHECK(check->command == std::vector<std::string>{"/bin/sh", "-c", "two\nlines", ""});
  CHECK(check->port == 0);
  CHECK(check->timeout == 2s);
  CHECK(config.find_check("port")->port == 5432);
}

TEST_CASE("what is absent has its default") {
  const auto config =
      loaded(std::string(head) +
             "[check.web]\ntype = \"http\"\n[check.quick]\ntype = \"http\"\ninterval = \"200ms\"\n"
             "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"shop.example\"]\npools = { v1 = 1 }\n");
  CHECK(config.server.workers == 0);
  CHECK(config.server.state == "state");
  CHECK(config.server.user.empty());
  CHECK(config.admin.socket == "state/admin.sock");
  CHECK(!config.admin.http);

  REQUIRE(config.checks.size() == 2);
  CHECK(config.checks[0] == default_check("web", CheckType::http));
  CHECK(config.checks[1].timeout == 200ms);  // never longer than the interval

  REQUIRE(config.steers.size() == 1);
  CHECK(config.steers[0].ttl == 30s);
  CHECK(config.steers[0].answers == 1);
  CHECK(config.steers[0].method == Method::random);
  CHECK(config.steers[0].subnet_v4 == 24);
  CHECK(config.steers[0].subnet_v6 == 56);
}

TEST_CASE("checks of each type, and what is probed instead of an endpoint") {
  const auto config =
      loaded(std::string(head) +
             "[check.safe]\ntype = \"https\"\nmethod = \"POST\"\nsni = \"www.shop.example\"\nverify = false\n"
             "headers = { X-Probe = \"1\", Accept = \"text/plain; q=1\" }\nbody_regex = \"^ok\\\\b\"\n"
             "address = \"192.0.2.99\"\n"
             "[check.load]\ntype = \"agent\"\nport = 9000\naddress = \"agents.shop.example\"\n"
             "[check.told]\ntype = \"push\"\ninterval = \"10s\"\ntoken = \"aB3-._~+/==\"\n"
             "[check.told2]\ntype = \"push\"\nexpiry = \"1m\"\n"
             "[pool.v1]\ncheck = \"safe\"\nendpoints = [{ address = \"192.0.2.1\", check_address = "
             "\"2001:db8::1\" }, "
             "{ address = \"192.0.2.2\", check_address = \"a.example\", check_port = 65535 }]\n");
  REQUIRE(config.checks.size() == 4);
  auto safe = default_check("safe", CheckType::https);
  safe.method = "POST";
  safe.sni = "www.shop.example";
  safe.verify = false;
  safe.headers = {{"X-Probe", "1"}, {"Accept", "text/plain; q=1"}};
  safe.body_regex = "^ok\\b";
  safe.address = *parse_address("192.0.2.99");
  CHECK(config.checks[0] == safe);
  CHECK(config.checks[1].type == CheckType::agent);
  CHECK(config.checks[1].port == 9000);
  CHECK(config.checks[1].address == wire::parse_host("agents.shop.example").value());
  CHECK(config.checks[2].type == CheckType::push);
  CHECK(config.checks[2].expiry == 30s);
  CHECK(config.checks[2].token == "aB3-._~+/==");
  CHECK(config.checks[3].expiry == 1min);
  CHECK(config.checks[3].token.empty());
  const auto& endpoints = config.pools[0].endpoints;
  CHECK(endpoints[0].check_address == *parse_address("2001:db8::1"));
  CHECK(endpoints[0].check_port == 0);
  CHECK(endpoints[1].check_address == wire::parse_host("a.example").value());
  CHECK(endpoints[1].check_port == 65535);
}

TEST_CASE("a check of type none is none") {
  const auto config = loaded(std::string(head) +
                             "[check.later]\ntype = \"none\"\n"
                             "[pool.v1]\ncheck = \"later\"\nendpoints = [\"192.0.2.1\"]\n");
  CHECK(config.checks[0].type == CheckType::none);
  CHECK_FALSE(config.pools[0].check.has_value());
}

TEST_CASE("a check is no other one for where it stands") {
  const std::string check = "[check.web]\ntype = \"https\"\nca = \"";
  const Folder folder;
  const auto file = folder.write("ca.pem", test::make_certificate("ca.example").certificate);
  const auto before = loaded(std::string(head) + check + file + "\"\n");
  const auto after = loaded(std::string(head) + "\n\n" + check + file + "\"\n");
  CHECK(before.checks[0].authorities.text().starts_with("-----BEGIN CERTIFICATE"));
  CHECK(before.checks[0].ca_at.line != after.checks[0].ca_at.line);
  CHECK(before.checks[0] == after.checks[0]);
  folder.write("ca.pem", test::make_certificate("ca.example").certificate);
  CHECK(before.checks[0] != loaded(std::string(head) + check + file + "\"\n").checks[0]);
}

TEST_CASE("authorities that cannot be read") {
  const Folder folder;
  const auto good = test::make_certificate("ca.example");
  auto damaged = good.certificate;
  damaged.replace(damaged.size() / 2, 8, "!!!!!!!!");
  const struct {
    const char* name;
    std::string content;
    const char* error;
  } rows[] = {
      {"empty", "", "there is no PEM certificate in it"},
      {"a key", good.key, "there is no PEM certificate in it"},
      {"damaged", damaged, "certificate 1 in it is damaged: bad base64 decode"},
      {"the second is damaged", good.certificate + damaged,
       "certificate 2 in it is damaged: bad base64 decode"},
      {"too large", std::string((1 << 20) + 1, 'x'), "the file is larger than 1048576 octets"},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.name));
    const auto file = folder.write("ca.pem", row.content);
    CHECK(text_of(load_after_head("[check.web]\ntype = \"https\"\nca = \"" + file + "\"\n").errors) ==
          fmt::format("7:6: ca: {}: {}\n", file, row.error));
  }
}

TEST_CASE("a token may stand in a file of its own, and no message shows it") {
  const Folder folder;
  const struct {
    const char* content;
    const char* token;  // null: refused
  } rows[] = {{"hush123", "hush123"},  {" hush=\r\n", "hush="}, {"", nullptr}, {"hush hush", nullptr},
              {"hush\u00E4", nullptr}, {"hu=sh", nullptr},      {"=", nullptr}};
  for (const auto& row : rows) {
    CAPTURE(std::string(row.content));
    const auto file = folder.write("token", row.content);
    const auto result = load_after_head("[check.told]\ntype = \"push\"\ntoken_file = \"" + file + "\"\n");
    CHECK(result.config.has_value() == (row.token != nullptr));
    if (row.token) CHECK(result.config->checks[0].token == row.token);
    CHECK(text_of(result.errors).find("hush") == std::string::npos);
    if (!row.token)
      CHECK(text_of(result.errors).starts_with("7:14: token_file: " + file + ": expected a token"));
  }
}

TEST_CASE("where a pattern occurs") {
  const struct {
    const char* pattern;
    std::string text;
    bool occurs, whatever_follows;
  } rows[] = {
      {"ok", "all ok.", true, true},
      {"ok", "all ok", true, false},  // it ends where the text does: not looked at further
      {"ok", "no", false, false},
      {"^ok$", "ok", true, false},
      {"^ok\\b", "ok", true, false},
      {"^ok\\b", "ok!", true, true},
      {"o.*k", "o\nk", false, false},
      {"(?s)o.*k", "o\nk ", true, true},
      {"\\x00k", std::string("\0k ", 3), true, true},
      {"k", "\xFF\xFEk\xFF", true, true},
      {"(x+x+)+y", std::string(10'000, 'x'), false, false},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.pattern));
    const auto pattern = Pattern::compile(row.pattern).value();
    CHECK(pattern.occurs_in(row.text) == row.occurs);
    CHECK(pattern.occurs_whatever_follows(row.text) == row.whatever_follows);
  }
}

TEST_CASE("connections and TLS") {
  const auto config = loaded(std::string(head) +
                                 "[tcp]\nconnections = 20_000\nclient_connections = 7\nidle = \"30s\"\n"
                                 "[tls]\nlisten = [\"127.0.0.1:853\", \"[::1]:853\"]\n"
                                 "certificate = \"tls/server.pem\"\nkey = \"/etc/keys/server.key\"\n",
                             "etc/sluice.toml");
  CHECK(config.tcp == Tcp{.connections = 20'000, .client_connections = 7, .idle = 30s});
  REQUIRE(config.tls);
  CHECK(config.tls->listen ==
        std::vector{*parse_socket_address("127.0.0.1:853"), *parse_socket_address("[::1]:853")});
  CHECK(config.tls->listen_at == std::vector<Position>{{10, 11}, {10, 28}});
  CHECK(config.tls->certificate == "etc/tls/server.pem");
  CHECK(config.tls->certificate_at == Position{11, 15});
  CHECK(config.tls->key == "/etc/keys/server.key");
  CHECK(config.tls->key_at == Position{12, 7});
}

// The defaults stand in the schema, and once more in the struct for a file without the section.
TEST_CASE("without [tcp] the limits are those of an empty one, and without [tls] there is no TLS") {
  CHECK(loaded(head).tcp == loaded(std::string(head) + "[tcp]\n").tcp);
  CHECK(!loaded(head).tls);
}

TEST_CASE("a server and a zone are enough") {
  const auto config = loaded(head);
  CHECK(config.checks.empty());
  CHECK(config.pools.empty());
  CHECK(config.steers.empty());
}

TEST_CASE("pools and sections keep the order of the file") {
  const auto config = loaded(std::string(head) +
                             "[pool.z]\nendpoints = [\"192.0.2.1\"]\n[pool.a]\nendpoints = [\"192.0.2.2\"]\n"
                             "[pool.m]\nendpoints = [\"192.0.2.3\"]\n[steer.\"b.shop.example\"]\n"
                             "pools = { z = 1, a = 2, m = 3 }\n"
                             "[steer.\"a.shop.example\".pools]\nm = 1\nz = 2\na = 3\n");
  std::string order;
  for (const auto& pool : config.pools) order += pool.name;
  for (const auto& steer : config.steers) {
    order += " " + steer.name.text();
    for (const auto& [pool, weight] : steer.pools) order += fmt::format(" {}={}", pool, weight);
  }
  CHECK(order == "zam b.shop.example. z=1 a=2 m=3 a.shop.example. m=1 z=2 a=3");
}

TEST_CASE("paths are relative to the folder of the file") {
  struct {
    const char* name;
    const char* file;
    const char* state;
    const char* socket;
    const char* zone;
  } const cases[] = {
      {"beside us", "sluice.toml", "state", "state/admin.sock", "shop.example.zone"},
      {"below us", "etc/sluice.toml", "etc/state", "etc/state/admin.sock", "etc/shop.example.zone"},
      {"above us", "../sluice.toml", "../state", "../state/admin.sock", "../shop.example.zone"},
      {"absolute", "/etc/sluice.toml", "/etc/state", "/etc/state/admin.sock", "/etc/shop.example.zone"},
  };
  for (const auto& [name, file, state, socket, zone] : cases) {
    CAPTURE(std::string(name));
    const auto config = loaded(head, file);
    CHECK(config.server.state == state);
    CHECK(config.admin.socket == socket);
    CHECK(config.zones[0].file == zone);
  }
}

TEST_CASE("what is configured is found by name") {
  const auto config = loaded(whole);
  REQUIRE(config.find_check("web"));
  CHECK(config.find_check("web")->port == 8080);
  CHECK(!config.find_check("we"));
  REQUIRE(config.find_pool("v1"));
  CHECK(config.find_pool("v1")->endpoints.size() == 3);
  CHECK(!config.find_pool(""));
  CHECK(config.find_steer(name("WWW.shop.example.")) == &config.steers[0]);
  CHECK(!config.find_steer(name("shop.example")));
  CHECK(config.zone_of(name("a.www.shop.example")) == &config.zones[0]);
  CHECK(config.zone_of(name("shop.example")) == &config.zones[0]);
  CHECK(config.zone_of(name("xshop.example")) == &config.zones[1]);
  CHECK(!config.zone_of(name("example.net")));
}

TEST_CASE("weights") {
  const double infinity = HUGE_VAL;
  struct {
    const char* name;
    std::vector<PoolWeight> weights;
    const char* error;
  } const cases[] = {
      {"one", {{"v1", 1}}, ""},
      {"one of them 0", {{"v1", 0}, {"v2", 1e-9}}, ""},
      {"none", {}, "all weights are 0; at least one has to be above 0"},
      {"all 0", {{"v1", 0}, {"v2", -0.0}}, "all weights are 0; at least one has to be above 0"},
      {"negative", {{"v1", 2}, {"v2", -0.5}}, "the weight of 'v2' has to be 0 or more, got -0.5"},
      {"infinite", {{"v1", infinity}}, "the weight of 'v1' has to be a finite number, got inf"},
      {"not a number", {{"v1", infinity - infinity}, {"v2", 1}}, nullptr},  // nan or -nan
      {"too large together", {{"v1", 1e308}, {"v2", 1e308}}, "the weights are too large to be added up"},
  };
  for (const auto& [name, weights, error] : cases) {
    CAPTURE(std::string(name));
    const auto checked = check_weights(weights);
    if (error)
      CHECK((checked ? "" : checked.error().message) == std::string(error));
    else
      CHECK(!checked);
  }
}

TEST_CASE("the reference has every key, with what it means and its default") {
  const auto all = explain("");
  for (const auto& row : key_rows()) {
    CAPTURE(full_name(row));
    CHECK(!row.doc.empty());
    CHECK((row.set != nullptr));
    CHECK((row.required || !row.fallback.empty() || !row.derived.empty()));
    const auto one = explain(full_name(row));
    CHECK(one.find(row.doc.substr(0, 20)) != one.npos);
    CHECK(one.find(row.required ? "required" : "default") != one.npos);
    CHECK(one.size() < all.size());
    CHECK(all.find("  " + full_name(row) + "\n") != all.npos);
  }
  for (const auto& section : section_rows()) {
    CAPTURE(section.name);
    CHECK(explain(section.name).starts_with(section.header));
    CHECK(all.find(section.header) != all.npos);
  }
}

TEST_CASE("the reference of one key") {
  const auto* const text =
      "[check.NAME]\n"
      "      How endpoints are probed; pools refer to it by NAME.\n"
      "  check.interval\n"
      "      The time from one probe of an endpoint to the next.\n"
      "      a duration such as \"2s\", 100ms to 1h; default \"2s\"; only with type =\n"
      "      \"tcp\", \"http\", \"https\", \"agent\", \"push\" or \"exec\"\n";
  CHECK(explain("check.interval") == text);
  CHECK(explain("check.web.interval") == text);
  CHECK(explain("check.intervall") == "");
  CHECK(nearest_key("check.intervall") == "check.interval");
  CHECK(nearest_key("check.web.intervall") == "check.interval");
  CHECK(!nearest_key("something else altogether"));
}

TEST_CASE("a file is read") {
  const Folder folder;
  const auto file = folder.write("sluice.toml", std::string(whole));
  const auto result = load(file);
  CHECK(text_of(result.errors) == "");
  REQUIRE(result.config);
  CHECK(result.config->file == file);
  CHECK(result.config->zones[0].file == folder.path() + "/shop.example.zone");
}

TEST_CASE("a file that cannot be read is one error") {
  const Folder folder;
  CHECK(error_of(load(folder.path() + "/none.toml")) ==
        "0:0: cannot read the file: No such file or directory\n");
  CHECK(error_of(load(folder.path())) == "0:0: cannot read the file: Is a directory\n");
  CHECK(error_of(load("")) == "0:0: cannot read the file: No such file or directory\n");
  CHECK(error_of(load(folder.write("large.toml", std::string((64 << 20) + 1, '#')))) ==
        "0:0: the file is larger than 64 MiB\n");
  if (::geteuid() != 0) {  // root reads everything
    const auto file = folder.write("secret.toml", "");
    std::filesystem::permissions(file, std::filesystem::perms::none);
    CHECK(error_of(load(file)) == "0:0: cannot read the file: Permission denied\n");
  }
}

TEST_CASE("depth does not end the process") {
  const auto repeated = [](std::string_view part, std::size_t count) {
    std::string text;
    while (count-- > 0) text += part;
    return text;
  };
  const std::string too_many_parts = "a key has more than 16 parts\n";
  CHECK(error_of(load_text("a = " + repeated("[", 100'000), "f")) ==
        "1:261: TOML syntax, value: exceeded maximum nested value depth of 256\n");
  CHECK(error_of(load_text("a = " + repeated("{a=", 100'000), "f")) ==
        "1:773: TOML syntax, value: exceeded maximum nested value depth of 256\n");
  CHECK(error_of(load_text(repeated("a.", 1'000'000) + "a = 1", "f")) == "1:32: " + too_many_parts);
  CHECK(error_of(load_text("\n[" + repeated("\"a\" . ", 1'000'000) + "a]", "f")) ==
        "2:96: " + too_many_parts);
  CHECK(error_of(load_text("'''\n" + repeated("a.", 20) + "''' = 1\n" + repeated("a.", 20), "f")) ==
        "3:32: " + too_many_parts);
  // The deepest that passes.
  const auto deep =
      load_text("a=" + repeated("{" + repeated("a.", 15) + "a=", 255) + "1" + repeated("}", 255), "f");
  CHECK(text_of(deep.errors).find("'a' stands") == std::string::npos);
  CHECK(text_of(deep.errors).find("unknown section [a]") != std::string::npos);
}

TEST_CASE("dots in strings and comments are no parts of keys") {
  const std::string dots(100, '.');
  const auto config = loaded("# " + dots + "\n[server] # " + dots +
                             "\nlisten = [\"127.0.0.1:1\"]\n"
                             "user = \"" +
                             dots + "\\\"" + dots +
                             "\"\n"
                             "[zone.example]\nfile = \"\"\"" +
                             dots + "\"\"" + dots +
                             "\"\"\"\n"
                             "[zone.'example.net']\nfile = '" +
                             dots + "'\n");
  CHECK(config.server.user == dots + "\"" + dots);
  CHECK(config.zones[1].file == dots);
}

}  // namespace sluice::config
