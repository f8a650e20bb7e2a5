// A zone with a bit of everything and some steers, and queries put to it.
//
//   World world;
//   const Octets reply = world.ask(Message(1).question("www.example.", RrType::a).octets());
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../wire/messages.hpp"
#include "../wire/read_reply.hpp"
#include "answer/answer.hpp"

namespace sluice::answer::test {

using wire::RrClass;
using wire::RrType;
using wire::test::Message;
using wire::test::Octets;

/** The address that `text` names; a test that names none is wrong. */
inline Address address_of(std::string_view text) { return parse_address(text).value(); }

inline std::string zone_text() {
  std::string text =
      "$TTL 3600\n"
      "@ SOA ns hostmaster 1 7200 900 1209600 300\n"
      "@ NS ns\n"
      "ns A 192.0.2.53\n"
      "host A 192.0.2.1\n"
      "alias CNAME www\n"
      "loop1 CNAME loop2\n"
      "loop2 CNAME loop1\n"
      "away CNAME www.elsewhere.test.\n"
      "*.wild TXT \"w\"\n"
      "under DNAME wild\n"
      "a.b.c MX 10 ns\n";
  // More than 512 octets, and more than 1,232.
  for (int i = 0; i < 3; ++i) text += "big TXT \"" + std::string(200, static_cast<char>('a' + i)) + "\"\n";
  for (int i = 0; i < 8; ++i) text += "huge TXT \"" + std::string(250, static_cast<char>('a' + i)) + "\"\n";
  for (int i = 1; i < 30; ++i) {
    const std::string server = "ns" + std::to_string(i) + ".child";
    text += "child NS " + server + "\n" + server + " A 192.0.2.7\n" + server + " AAAA 2001:db8::7\n";
  }
  return text;
}

class World {
 public:
  World() {
    std::vector<steer::Candidate> v1 = {at("192.0.2.1"), at("2001:db8::1")},
                                  v2 = {at("192.0.2.2"), at("2001:db8::2")}, many;
    for (int i = 1; i <= 70; ++i) many.push_back(at("10.0.0." + std::to_string(i)));
    for (int i = 1; i <= 40; ++i) many.push_back(at("2001:db8::" + std::to_string(i)));
    REQUIRE(block_->publish_pool("v1", v1));
    REQUIRE(block_->publish_pool("v2", v2));
    REQUIRE(block_->publish_pool("many", many));
    REQUIRE(block_->publish_pool("four", std::vector{at("192.0.2.4")}));
    add("www.example.", {{"v1", 90}, {"v2", 10}}, config::Method::random);
    add("sticky.example.", {{"v1", 1}, {"v2", 1}}, config::Method::sticky);
    add("other.example.", {{"v1", 1}, {"v2", 1}}, config::Method::random);
    add("*.app.example.", {{"v1", 1}}, config::Method::random);
    add("many.example.", {{"many", 1}}, config::Method::random, 70);
    add("four.example.", {{"four", 1}}, config::Method::random);
    REQUIRE(block_->publish_pool("cdn", std::vector{at("edge.cdn.test."), at("backup.cdn.test.")}));
    REQUIRE(block_->publish_pool("spare", std::vector{at("spare.cdn.test.")}));
    REQUIRE(block_->publish_pool("inner", std::vector{at("sticky.example."), at("host.example.")}));
    add("cdn.example.", {{"cdn", 1}, {"spare", 1}}, config::Method::random);
    add("stickycdn.example.", {{"cdn", 1}, {"spare", 1}}, config::Method::sticky);
    add("chain.example.", {{"inner", 1}}, config::Method::random);
    add("*.hosts.example.", {{"inner", 1}}, config::Method::random);
    const auto apex = wire::Name::parse("example.").value();
    auto loaded = zone::load_text(zone_text(), "example.zone", apex, steered_);
    REQUIRE_MESSAGE(loaded.zone != nullptr, to_text(loaded.errors));
    snapshot.zones = zone::ZoneSet({loaded.zone});
    snapshot.block = block_;
    snapshot.pairs = std::make_shared<steer::PairTable>();
    snapshot.sticky_key = {11, 12};
  }

  // Puts a query with the buffer given, and returns the reply's size.
  std::size_t put(const Octets& query, std::span<std::uint8_t> buffer, const Client& client = {}) {
    const Quiescence::Section section(reader_);
    return answer(snapshot, scratch, client, query, buffer);
  }

  Octets ask(const Octets& query, const Client& client = {}) {
    buffer_.resize(wire::message_size_max);
    const std::size_t size = put(query, buffer_, client);
    return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)};
  }

  // Calls it as a reading thread does.
  template <class Function>
  auto within(Function function) {
    const Quiescence::Section section(reader_);
    return function();
  }

  // Gives www.example. other weights.
  void set_weights(double v1, double v2) {
    publish("www.example.", {{"v1", v1}, {"v2", v2}}, config::Method::random, 1);
  }

  Counters counters;
  Scratch scratch{counters.add_shard(), 4711};
  Snapshot snapshot;

 private:
  struct Weight {
    std::string pool;
    double weight;
  };

  static steer::Candidate at(const std::string& address) {
    steer::Candidate candidate;
    candidate.destination = wire::parse_destination(address).value();
    return candidate;
  }

  void add(const char* name, const std::vector<Weight>& weights, config::Method method,
           unsigned answers = 1) {
    const auto parsed = wire::Name::parse(name).value();
    steered_.push_back({parsed, block_->add_name(parsed)});
    publish(name, weights, method, answers);
  }

  // Counters: 0 is the first pool's, 1 the second's, the same for all names.
  void publish(const char* name, const std::vector<Weight>& weights, config::Method method,
               unsigned answers) {
    steer::SteerInput input{.name = wire::Name::parse(name).value(),
                            .pools = {},
                            .layout = {},
                            .ttl = 30,
                            .answers = answers,
                            .method = method};
    std::vector<double> numbers;
    for (const auto& weight : weights) {
      input.pools.push_back({weight.pool, static_cast<AnswerCounter>(numbers.size())});
      numbers.push_back(weight.weight);
    }
    input.layout = steer::lay_out(numbers);
    const auto found =
        std::find_if(steered_.begin(), steered_.end(), [&](const auto& s) { return s.name == input.name; });
    REQUIRE(block_->publish_table(found->id, input));
  }

  Quiescence quiescence_;
  Quiescence::Reader reader_{quiescence_};
  std::shared_ptr<steer::Block> block_ = std::make_shared<steer::Block>(quiescence_, 16);
  std::vector<zone::Steered> steered_;
  Octets buffer_;
};

// One of each kind of thing that may be asked, and of each way of asking it.
inline std::vector<Octets> varied_queries() {
  const char* names[] = {"www.example.",   "wWw.eXample.",       "sticky.example.", "x.app.example.",
                         "many.example.",  "four.example.",      "host.example.",   "alias.example.",
                         "loop1.example.", "away.example.",      "x.wild.example.", "y.under.example.",
                         "b.c.example.",   "big.example.",       "huge.example.",   "x.child.example.",
                         "nope.example.",  "example.",           "elsewhere.test.", ".",
                         "cdn.example.",   "stickycdn.example.", "chain.example.",  "q.hosts.example."};
  const RrType types[] = {RrType::a,   RrType::aaaa, RrType::txt,   RrType::ns,
                          RrType::any, RrType::ds,   RrType::cname, RrType::axfr};
  const Octets subnet = wire::test::subnet_option(1, 24, 0, {192, 0, 2});
  std::vector<Octets> queries;
  for (const char* name : names)
    for (const RrType type : types) {
      queries.push_back(Message(1).question(name, type).octets());
      queries.push_back(Message(2, 0x0100).question(name, type).opt(1232, true).octets());
      queries.push_back(Message(3).question(name, type).opt(512, false, subnet).octets());
    }
  queries.push_back(Message(4).question("example.", RrType::a, RrClass::ch).octets());
  queries.push_back(Message(5, 0x2000).question("example.", RrType::soa).octets());
  queries.push_back(Message(6).question("example.", RrType::a).opt(1232, false, {}, 3).octets());
  queries.push_back(Message(7).octets());
  queries.push_back(Message(8).question("example.", RrType::a).raw({1, 2, 3}).octets());
  return queries;
}

}  // namespace sluice::answer::test
