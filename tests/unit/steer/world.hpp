// A block with pools and one or more steers, for the tests of the block and of the choice.
//
//   World world;
//   world.pool("v1", {up("192.0.2.1"), down("192.0.2.2")});
//   world.steer("www.example.", {{"v1", 95}, {"v2", 5}});
//   const auto slots = world.slots_of("www.example.", Family::v4);
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "steer/block.hpp"
#include "steer/choose.hpp"

namespace sluice::steer::test {

inline Candidate candidate(std::string_view address, double weight, bool usable, bool allowed) {
  return {.destination = wire::parse_destination(address).value(),
          .weight = weight,
          .usable = usable,
          .allowed = allowed};
}
inline Candidate up(std::string_view address, double weight = 1) {
  return candidate(address, weight, true, true);
}
inline Candidate down(std::string_view address, double weight = 1) {
  return candidate(address, weight, false, true);
}
inline Candidate drained(std::string_view address, double weight = 1) {
  return candidate(address, weight, false, false);
}

// The addresses of an answer, its other octets checked.
inline std::vector<std::string> addresses_of(const Answer* answer) {
  if (answer == nullptr) return {"none"};
  const std::size_t address_size = answer->stride - 12U;
  if ((address_size != 4 && address_size != 16) || answer->length != answer->record_count * answer->stride)
    return {"torn"};
  std::vector<std::string> texts;
  const auto* at = reinterpret_cast<const std::uint8_t*>(answer + 1);
  for (unsigned i = 0; i < answer->record_count; ++i, at += answer->stride) {
    const std::uint8_t type = address_size == 4 ? 1 : 28;
    const std::uint8_t fixed[] = {0xC0, 12, 0, type, 0, 1,
                                  0,    0,  0, 0,    0, static_cast<std::uint8_t>(address_size)};
    if (!std::equal(std::begin(fixed), std::end(fixed), at)) return {"torn"};
    Address address{.family = address_size == 4 ? Family::v4 : Family::v6, .octets = {}};
    std::copy(at + 12, at + answer->stride, address.octets.begin());
    texts.push_back(to_text(address));
  }
  return texts;
}

inline std::string first_of(const Answer* answer) { return addresses_of(answer).front(); }

class World {
 public:
  explicit World(std::size_t room_for = 16) : block(quiescence, room_for) {}
  World(std::size_t room_for, std::size_t capacity_bytes) : block(quiescence, room_for, capacity_bytes) {}

  void pool(const std::string& name, const std::vector<Candidate>& candidates) {
    REQUIRE(block.publish_pool(name, candidates));
  }

  struct Weight {
    std::string pool;
    double weight;
  };

  // Counters are the pools' places, from 0.
  SteerInput input(std::string_view name, const std::vector<Weight>& weights, unsigned answers = 1) const {
    SteerInput result{
        .name = wire::Name::parse(name).value(), .pools = {}, .layout = {}, .ttl = 30, .answers = answers};
    std::vector<double> numbers;
    for (const auto& weight : weights) {
      result.pools.push_back({weight.pool, static_cast<AnswerCounter>(numbers.size())});
      numbers.push_back(weight.weight);
    }
    result.layout = lay_out(numbers);
    return result;
  }

  void publish(const SteerInput& steer) {
    const std::string name = steer.name.text();
    if (!names.contains(name)) names[name] = block.add_name(steer.name);
    REQUIRE(block.publish_table(names[name], steer));
  }
  void steer(std::string_view name, const std::vector<Weight>& weights, unsigned answers = 1) {
    publish(input(name, weights, answers));
  }

  const Table& table(std::string_view name) const {
    const auto* entry = block.find(wire::Name::parse(name).value().wire());
    REQUIRE(entry != nullptr);
    return *block.at<Table>(entry->table.load());
  }

  Choice choose(std::string_view name, Draw draw, Family family) const {
    return steer::choose(block, table(name), draw, family);
  }

  // How many of all slots are answered from each pool.
  std::map<AnswerCounter, unsigned> slots_of(std::string_view name, Family family) const {
    const Table& seen = table(name);
    std::map<AnswerCounter, unsigned> counts;
    for (std::uint32_t slot = 0; slot < slot_count; ++slot)
      ++counts[steer::choose(block, seen, {static_cast<std::uint16_t>(slot), 0, slot << 16}, family).counter];
    return counts;
  }

  // The answer at each spot of the pool that `slot` picks.
  std::vector<const Answer*> spots_of(std::string_view name, Family family, std::uint16_t slot = 0) const {
    const Table& seen = table(name);
    std::vector<const Answer*> answers;
    for (std::uint32_t spot = 0; spot < slot_count; ++spot)
      answers.push_back(
          steer::choose(block, seen, {slot, static_cast<std::uint16_t>(spot), 0}, family).answer);
    return answers;
  }

  // How many spots lead with each address.
  std::map<std::string, unsigned> addresses_at(std::string_view name, Family family,
                                               std::uint16_t slot = 0) const {
    std::map<const Answer*, unsigned> by_answer;
    for (const Answer* answer : spots_of(name, family, slot)) ++by_answer[answer];
    std::map<std::string, unsigned> counts;
    for (const auto& [answer, count] : by_answer) counts[first_of(answer)] += count;
    return counts;
  }

  Quiescence quiescence;
  Block block;
  std::map<std::string, Offset> names;
};

}  // namespace sluice::steer::test
