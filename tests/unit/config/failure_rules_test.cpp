// The keys that say what becomes of shares when pools fail, of a pool and of a steer.
#include <doctest/doctest.h>

#include "config/schema.hpp"
#include "support.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

// Two pools, up to line 8.
constexpr std::string_view two_pools =
    "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[pool.v2]\nendpoints = [\"192.0.2.2\"]\n";

LoadResult load_steer(std::string_view keys) {
  return load_after_head(fmt::format("{}[steer.\"www.shop.example\"]\n{}", two_pools, keys));
}

Config loaded(const LoadResult& result) {
  CHECK(text_of(result.errors) == "");
  REQUIRE(result.config);
  return *result.config;
}

std::string pools_of(const Steer& steer) {
  std::string text;
  for (const auto& [pool, weight] : steer.pools) text += fmt::format("{}={} ", pool, weight);
  return text;
}

TEST_CASE("a pool's rules, given and not") {
  const auto config = loaded(
      load_after_head("[pool.v1]\nendpoints = [\"192.0.2.1\"]\nmin_healthy = \"30%\"\nfail_open = \"all\"\n"
                      "max_share = \"12.5%\"\n[pool.v2]\nendpoints = [\"192.0.2.2\"]\n"));
  CHECK(config.pools[0].min_healthy == 0.3);
  CHECK(config.pools[0].fail_open == FailOpen::all);
  CHECK(config.pools[0].max_share == 0.125);
  CHECK(config.pools[1].min_healthy == 0);
  CHECK(config.pools[1].fail_open == FailOpen::others);
  CHECK(config.pools[1].max_share == 1);
}

TEST_CASE("a steer's rules, given and not") {
  const auto given =
      loaded(load_steer("pools = { v1 = 1 }\noverflow = 2.5\nttl = \"20s\"\nttl_min = \"20s\"\n")).steers[0];
  CHECK(given.overflow == 2.5);
  CHECK(given.ttl_min == 20s);
  const auto absent = loaded(load_steer("pools = { v1 = 1 }\n")).steers[0];
  CHECK(absent.overflow == 10);
  CHECK(absent.standby.empty());
  CHECK(absent.ttl_min == 1s);
  CHECK(loaded(load_steer("pools = { v1 = 1 }\nttl = \"0s\"\n")).steers[0].ttl_min == 0s);
  CHECK(loaded(load_steer("pools = { v1 = 1 }\noverflow = 0\n")).steers[0].overflow == 0);
}

TEST_CASE("standby pools are among the pools, in their own order") {
  const struct {
    const char* name;
    const char* keys;
    const char* pools;
    std::vector<std::string> standby;
  } rows[] = {
      {"named only there", "pools = { v1 = 1 }\nstandby = [\"v2\"]\n", "v1=1 v2=0 ", {"v2"}},
      {"at 0", "pools = { v2 = 0, v1 = 1 }\nstandby = [\"v2\"]\n", "v2=0 v1=1 ", {"v2"}},
      {"with a weight", "pools = { v1 = 1, v2 = 2 }\nstandby = [\"v2\"]\n", "v1=1 v2=2 ", {"v2"}},
      {"several",
       "pools = { v1 = 1 }\nstandby = [\"v4\", \"v2\", \"v3\"]\n[pool.v3]\nendpoints = [\"192.0.2.3\"]\n"
       "[pool.v4]\nendpoints = [\"192.0.2.4\"]\n",
       "v1=1 v4=0 v2=0 v3=0 ",
       {"v4", "v2", "v3"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto steer = loaded(load_steer(row.keys)).steers[0];
    CHECK(pools_of(steer) == row.pools);
    CHECK(steer.standby == row.standby);
  }
}

TEST_CASE("what is refused") {
  const struct {
    const char* name;
    const char* keys;  // begins at line 10, below the steer's header
    const char* errors;
  } rows[] = {
      {"standby without such a pool", "pools = { v1 = 1 }\nstandby = [\"v2\", \"v22\"]\n",
       "11:18: there is no pool 'v22'; did you mean 'v2'?\n"},
      {"standby twice", "pools = { v1 = 1 }\nstandby = [\"v2\", \"v2\"]\n",
       "11:18: standby: 'v2' is given twice, first at 11:12\n"},
      {"standby as a text", "pools = { v1 = 1 }\nstandby = \"v2\"\n",
       "11:11: standby: expected an array of pools such as [\"dr\"], got a string\n"},
      {"standby of numbers", "pools = { v1 = 1 }\nstandby = [2]\n",
       "11:12: standby: expected the NAME of a section [pool.NAME], got an integer\n"},
      {"no standby", "pools = { v1 = 1 }\nstandby = []\n",
       "11:11: standby: expected at least one, got none\n"},
      {"standby and a bad weight", "pools = { v1 = \"1\" }\nstandby = [\"v2\"]\n",
       "10:16: the weight of 'v1': expected a number, got a string\n"},
      {"standby of hosts",
       "pools = { v1 = 1 }\nstandby = [\"cdn\"]\n[pool.cdn]\nendpoints = [\"edge.example\"]\n",
       "11:12: 'cdn' has host names and 'v1' has addresses; the pools of a name have one or the other\n"},
      {"overflow below 1", "pools = { v1 = 1 }\noverflow = 0.5\n",
       "11:12: overflow: expected 0 (no limit) or at least 1 (takes nothing over), got 0.5\n"},
      {"overflow below 0", "pools = { v1 = 1 }\noverflow = -1\n",
       "11:12: overflow: expected 0 to 65536, got -1\n"},
      {"overflow too great", "pools = { v1 = 1 }\noverflow = inf\n",
       "11:12: overflow: expected 0 to 65536, got inf\n"},
      {"overflow not a number", "pools = { v1 = 1 }\noverflow = nan\n",
       "11:12: overflow: expected 0 to 65536, got nan\n"},
      {"overflow as a text", "pools = { v1 = 1 }\noverflow = \"10\"\n",
       "11:12: overflow: expected a number, got a string\n"},
      {"ttl_min above the ttl", "pools = { v1 = 1 }\nttl = \"5s\"\nttl_min = \"6s\"\n",
       "12:11: ttl_min: expected at most \"5s\" (the ttl), got \"6s\"\n"},
      {"ttl_min above the default ttl", "pools = { v1 = 1 }\nttl_min = \"31s\"\n",
       "11:11: ttl_min: expected at most \"30s\" (the ttl), got \"31s\"\n"},
      {"ttl_min too long", "pools = { v1 = 1 }\nttl = \"2h\"\nttl_min = \"61m\"\n",
       "12:11: ttl_min: expected 0s to 1h, got \"61m\"\n"},
      {"ttl_min not in seconds", "pools = { v1 = 1 }\nttl_min = \"1.5s\"\n",
       "11:11: ttl_min: expected whole seconds, got \"1.5s\"\n"},
      {"min_healthy as a number",
       "pools = { v1 = 1 }\n[pool.v3]\nendpoints = [\"192.0.2.3\"]\nmin_healthy = 30\n",
       "13:15: min_healthy: expected a percentage such as \"20%\", got an integer\n"},
      {"max_share above all",
       "pools = { v1 = 1 }\n[pool.v3]\nendpoints = [\"192.0.2.3\"]\nmax_share = \"101%\"\n",
       "13:13: max_share: expected a percentage such as \"20%\", got \"101%\"\n"},
      {"fail_open", "pools = { v1 = 1 }\n[pool.v3]\nendpoints = [\"192.0.2.3\"]\nfail_open = \"none\"\n",
       "13:13: fail_open: expected \"others\" or \"all\", got \"none\"\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(text_of(load_steer(row.keys).errors) == std::string(row.errors));
  }
}

TEST_CASE("more pools than a steer can have, with the standby ones") {
  std::string text = two_pools.data(), names;
  std::string weights;
  for (int i = 0; i < 4096; ++i) {
    text += fmt::format("[pool.p{}]\nendpoints = [\"192.0.2.3\"]\n", i);
    (i < 4095 ? weights : names) += i < 4095 ? fmt::format("p{} = 1,", i) : fmt::format("\"p{}\"", i);
  }
  weights.pop_back();
  const auto steer = [&](std::string_view standby) {
    return load_after_head(fmt::format("{}[steer.\"www.shop.example\"]\npools = {{ {} }}\nstandby = [{}]\n",
                                       text, weights, standby));
  };
  CHECK(loaded(steer(names)).steers[0].pools.size() == 4096);
  CHECK(text_of(steer(names + ", \"v1\"").errors) ==
        "8203:11: standby: expected at most 4096 pools together with 'pools', got 4097\n");
}

TEST_CASE("the reference explains them") {
  for (const char* key : {"pool.min_healthy", "pool.fail_open", "pool.max_share", "steer.standby",
                          "steer.overflow", "steer.ttl_min"}) {
    CAPTURE(key);
    CHECK(explain(key).find(key) != std::string::npos);
  }
  CHECK(explain("steer.overflow").find("0 to 65536") != std::string::npos);
}

}  // namespace
}  // namespace sluice::config
