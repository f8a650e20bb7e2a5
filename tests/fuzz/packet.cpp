// Whole messages: one octet says how the message comes and from whom, the others are the message.
#include <algorithm>
#include <string_view>

#include "asking.hpp"

namespace {

// The one RRset of world.cases that is larger than a message can be.
bool asks_for_giant(sluice::wire::Bytes message) {
  constexpr std::string_view giant = "\5giant\4test";
  const auto same = [](std::uint8_t a, char b) { return sluice::wire::lower(a) == b; };
  return std::search(message.begin(), message.end(), giant.begin(), giant.end(), same) != message.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static sluice::fuzz::Asking asking(sluice::fuzz::world_snapshot());
  if (size == 0) return 0;
  const sluice::wire::Bytes message(data + 1, size - 1);
  asking.ask(sluice::fuzz::asker_of(data[0]), message, asks_for_giant(message));
  return 0;
}
