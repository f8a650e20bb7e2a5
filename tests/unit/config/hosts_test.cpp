// Pools of host names, and the names that are steered to them.
#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::config {
namespace {

wire::Destination host(std::string_view text) { return wire::parse_host(text).value(); }

TEST_CASE("hosts are read in either form, in lower case and with the final dot") {
  const auto result = load_after_head(
      "[pool.cdn]\nendpoints = [\"Edge.CDN.example\", { host = \"backup.cdn.example.\", weight = 2 }, "
      "\"localhost.\"]\n"
      "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n"
      "[steer.\"www.shop.example\"]\npools = { cdn = 1 }\n"
      "[steer.\"*.app.shop.example\"]\npools = { cdn = 1 }\nanswers = 1\n"
      "[steer.\"shop.example\"]\npools = { v1 = 1 }\nanswers = 4\n");
  REQUIRE_MESSAGE(result.config, text_of(result.errors));
  const auto& config = *result.config;
  CHECK(config.pools[0].endpoints == std::vector<Endpoint>{{host("edge.cdn.example"), 1},
                                                           {host("backup.cdn.example"), 2},
                                                           {host("localhost."), 1}});
  CHECK(config.pools[0].has_hosts());
  CHECK_FALSE(config.pools[1].has_hosts());
  CHECK(config.steers[0].to_hosts);
  CHECK(config.steers[1].to_hosts);
  CHECK_FALSE(config.steers[2].to_hosts);
}

TEST_CASE("endpoints that are refused") {
  const Case cases[] = {
      {"an address behind host", "[pool.v1]\nendpoints = [{ host = \"192.0.2.1\" }]\n",
       "6:23: endpoints: expected a host name such as \"edge.cdn.example.\", got \"192.0.2.1\"\n"},
      {"a host behind address", "[pool.v1]\nendpoints = [{ address = \"edge.example.\" }]\n",
       "6:26: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", got "
       "\"edge.example.\"\n"},
      {"both", "[pool.v1]\nendpoints = [{ host = \"edge.example.\", address = \"192.0.2.1\" }]\n",
       "6:14: endpoints: an endpoint needs an address or a host, and has one of them\n"},
      {"no host names",
       "[pool.v1]\nendpoints = [\"*.example\", \"a..example\", \"a b.example\", \"web\", \".\", { host = 1 "
       "}]\n",
       "6:14: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \"*.example\"\n"
       "6:27: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \"a..example\"\n"
       "6:41: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \"a b.example\"\n"
       "6:56: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \"web\"\n"
       "6:63: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \".\"\n"
       "6:77: endpoints: expected a host name such as \"edge.cdn.example.\", got 1\n"},
      {"twice", "[pool.v1]\nendpoints = [\"edge.example\", { host = \"EDGE.example.\" }]\n",
       "6:30: endpoints: edge.example. is given twice, first at 6:14\n"},
      {"a host after addresses, once",
       "[pool.v1]\nendpoints = [\"192.0.2.1\",\n\"edge.example\", \"backup.example\"]\n",
       "7:1: endpoints: a pool has addresses or host names, not both; 192.0.2.1 at 6:14 is an address\n"},
      {"an address after hosts", "[pool.v1]\nendpoints = [\"edge.example\", \"2001:db8::1\"]\n",
       "6:30: endpoints: a pool has addresses or host names, not both; edge.example. at 6:14 is a host\n"},
      {"a weight", "[pool.v1]\nendpoints = [{ host = \"edge.example\", weight = -1 }]\n",
       "6:48: the weight of edge.example. has to be 0 or more, got -1\n"},
  };
  check_errors(cases);
}

TEST_CASE("steers that are refused") {
  const Case cases[] = {
      {"pools of both kinds",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[pool.cdn]\nendpoints = [\"edge.example\"]\n"
       "[steer.\"www.shop.example\"]\npools = { v1 = 1, cdn = 0 }\n",
       "10:19: 'cdn' has host names and 'v1' has addresses; the pools of a name have one or the other\n"},
      {"the other way round, in a section",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[pool.cdn]\nendpoints = [\"edge.example\"]\n"
       "[steer.\"www.shop.example\".pools]\ncdn = 1\nv1 = 1\n",
       "11:1: 'v1' has addresses and 'cdn' has host names; the pools of a name have one or the other\n"},
      {"the apex of a zone",
       "[pool.cdn]\nendpoints = [\"edge.example\"]\n[steer.\"Shop.example\"]\npools = { cdn = 1 }\n",
       "7:8: 'Shop.example' is the apex of a zone and has SOA and NS records; it cannot lead to hosts, as a "
       "CNAME "
       "stands alone (RFC 1034, 3.6.2)\n"},
      {"several answers",
       "[pool.cdn]\nendpoints = [\"edge.example\"]\n[steer.\"www.shop.example\"]\npools = { cdn = 1 "
       "}\nanswers = 2\n",
       "9:11: answers: expected 1, as the pools have host names and a name has one CNAME, got 2\n"},
      {"itself",
       "[pool.cdn]\nendpoints = [\"edge.example\", "
       "\"WWW.shop.example\"]\n[steer.\"www.shop.example\"]\npools = { cdn = 1 "
       "}\n",
       "7:8: its hosts lead back to the name itself: www.shop.example. -> www.shop.example.\n"},
      {"a loop of three, and a name that leads to it",
       "[pool.a]\nendpoints = [\"b.shop.example\"]\n[pool.b]\nendpoints = [\"edge.example\", "
       "\"c.shop.example\"]\n"
       "[pool.c]\nendpoints = [\"a.shop.example\"]\n[steer.\"x.shop.example\"]\npools = { a = 1 }\n"
       "[steer.\"a.shop.example\"]\npools = { a = 1 }\n[steer.\"b.shop.example\"]\npools = { b = 1 }\n"
       "[steer.\"c.shop.example\"]\npools = { c = 1 }\n",
       "13:8: its hosts lead back to the name itself: a.shop.example. -> b.shop.example. -> c.shop.example. "
       "-> "
       "a.shop.example.\n"},
      {"a chain is none",
       "[pool.a]\nendpoints = [\"b.shop.example\"]\n[pool.b]\nendpoints = [\"c.shop.example\"]\n"
       "[pool.c]\nendpoints = [\"192.0.2.1\"]\n[steer.\"a.shop.example\"]\npools = { a = 1 }\n"
       "[steer.\"b.shop.example\"]\npools = { b = 1 }\n[steer.\"c.shop.example\"]\npools = { c = 1 }\n",
       ""},
      {"a pool that is faulty says nothing about the others",
       "[pool.v1]\nendpoints = [\"web\"]\n[pool.cdn]\nendpoints = [\"edge.example\"]\n"
       "[steer.\"www.shop.example\"]\npools = { v1 = 1, cdn = 1, v2 = 1 }\n",
       "6:14: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
       "such as "
       "\"edge.cdn.example.\", got \"web\"\n10:28: there is no pool 'v2'; did you mean 'v1'?\n"},
  };
  check_errors(cases);
}

TEST_CASE("a long chain of names is walked without trouble") {
  std::string text;
  constexpr int count = 20000;
  for (int i = 0; i < count; ++i)
    text += fmt::format(
        "[pool.p{0}]\nendpoints = [\"n{1}.shop.example\"]\n[steer.\"n{0}.shop.example\"]\npools = {{ p{0} = "
        "1 "
        "}}\n",
        i, i + 1);
  CHECK(text_of(load_after_head(text).errors).empty());
}

}  // namespace
}  // namespace sluice::config
