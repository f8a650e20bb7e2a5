// Names, addresses, durations and the words of master files: what is read is written the same and read again.
#include "base/address.hpp"
#include "base/text.hpp"
#include "rules.hpp"
#include "wire/name.hpp"
#include "zone/generate.hpp"
#include "zone/master_text.hpp"
#include "zone/record_parser.hpp"

using namespace sluice;

namespace {

void check_name(std::string_view text) {
  const auto name = wire::Name::parse(text);
  if (!name) return;
  fuzz::require(wire::Name::parse(name->text()).value() == *name, "a name's text is the name");
  fuzz::require(wire::Name::from_wire(name->wire()).value() == *name, "a name's octets are the name");
  fuzz::require(name->is_subdomain_of(name->parent()), "a name is below its parent");
}

void check_wire_name(wire::Bytes octets) {
  wire::LookupName name;
  const std::size_t size = name.assign(octets);
  const auto whole = wire::Name::from_wire(octets);
  fuzz::require(whole.has_value() == (size != 0 && size == octets.size()), "both readers agree");
  if (size == 0) return;
  fuzz::require(name.wire().size() == size && name.suffix(name.label_count()).size() == 1,
                "labels end at the root");
  if (whole) check_name(whole->text());
}

template <class Value>
void check_round_trip(const Result<Value>& value, Result<Value> (*parse)(std::string_view)) {
  if (value) fuzz::require(parse(to_text(*value)).value() == *value, "what is written is read the same");
}

void check_words(std::string_view text) {
  zone::EntryReader reader(text);
  zone::RecordParser parser;
  std::vector<std::uint8_t> rdata;
  for (zone::Entry entry;;) {
    const auto step = reader.next(entry);
    if (step == zone::EntryReader::Step::end) return;
    if (step == zone::EntryReader::Step::problem) continue;
    for (const auto& token : entry.tokens)
      fuzz::require(!token.text.empty() && token.text.data() >= text.data() &&
                        token.text.data() + token.text.size() <= text.data() + text.size(),
                    "words are pieces of the text");
    const std::span words(entry.tokens);
    if (const auto type = parser.type(words[0].text)) parser.rdata(*type, words[0], words.subspan(1), rdata);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      check_name(text);
      break;
    case 1:
      check_wire_name({data + 1, size - 1});
      break;
    case 2:
      check_round_trip(parse_address(text), parse_address);
      break;
    case 3:
      check_round_trip(parse_socket_address(text), parse_socket_address);
      break;
    case 4:
      if (const auto duration = parse_duration(text)) to_text(*duration);
      if (const auto time = parse_moment(text, Time{})) to_text(*time);
      break;
    case 5:
      zone::parse_period(text, 0x7FFFFFFF);
      zone::parse_generate_range(text);
      zone::expand_generate(text, 4711);
      break;
    default:
      check_words(text);
  }
  return 0;
}
