// Master files. What loads must hold every owner that the file names, and be served by the rules: the rdata
// that the loader let through is what the reply writer walks along.
#include <optional>

#include "../unit/wire/messages.hpp"
#include "asking.hpp"
#include "rules.hpp"
#include "zone/generate.hpp"
#include "zone/master_text.hpp"
#include "zone/zone.hpp"

using namespace sluice;
using wire::RrType;

namespace {

constexpr std::size_t owners_max = 4;  // of a file; more would only cost time
constexpr std::size_t generated_max = 300;

bool is_directive(std::string_view word) { return word.starts_with('$'); }

// A line of $GENERATE may stand for 100,000 records, which find no more than a few do.
bool generates_many(std::string_view text) {
  zone::EntryReader reader(text);
  for (zone::Entry entry;;) {
    const auto step = reader.next(entry);
    if (step == zone::EntryReader::Step::end) return false;
    if (step == zone::EntryReader::Step::problem || entry.tokens.size() < 2) continue;
    const auto range = zone::parse_generate_range(entry.tokens[1].text);
    if (range && (range->stop - range->start) / range->step > generated_max) return true;
  }
}

// The owners that are written out, as long as nothing changes what they are relative to.
std::vector<wire::Name> owners_of(std::string_view text, const wire::Name& origin) {
  std::vector<wire::Name> owners;
  zone::EntryReader reader(text);
  for (zone::Entry entry; owners.size() < owners_max;) {
    if (reader.next(entry) != zone::EntryReader::Step::entry || is_directive(entry.tokens[0].text)) break;
    if (entry.owner_omitted) continue;
    const std::string owner(entry.tokens[0].text);
    auto name = owner == "@" ? wire::Name(origin) : wire::Name::parse(owner);
    // Relative, unless it ends with a dot of its own.
    if (owner != "@" && wire::Name::parse(owner + "x").value().label_count() == name.value().label_count())
      name = wire::Name::parse(owner + "." + origin.text());
    owners.push_back(name.value());
  }
  return owners;
}

void ask_for(fuzz::Asking& asking, const wire::Name& owner, bool too_large) {
  constexpr std::uint8_t udp = 0, tcp = 1;
  const auto message = [&](RrType type) {
    return wire::test::Message(7).question(owner.wire(), type).opt().octets();
  };
  for (const RrType type : {RrType::any, RrType::mx, RrType::a})
    asking.ask(fuzz::asker_of(udp), message(type), too_large);
  asking.ask(fuzz::asker_of(tcp), message(RrType::any), too_large);
}

void check_zone(const std::shared_ptr<const zone::Zone>& loaded, std::string_view text) {
  static fuzz::Asking asking(fuzz::empty_snapshot());
  asking.set_zones(zone::ZoneSet({loaded}));
  for (const auto& owner : owners_of(text, loaded->apex())) {
    wire::LookupName name;
    name.assign(owner.wire());
    fuzz::require(loaded->exact(name) != nullptr, "every owner of the file is in the zone");
    fuzz::require(loaded->find(name, RrType::any).outcome != zone::Outcome::no_name, "and is found");
    ask_for(asking, owner, loaded->memory_size() > wire::message_size_max / 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const wire::Name apex = wire::Name::parse("example.").value();
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (generates_many(text)) return 0;
  const auto result = zone::load_text(text, "/nonexistent/fuzz.zone", apex, {});
  fuzz::require((result.zone == nullptr) == !result.errors.empty(), "a zone or errors");
  for (const auto& error : result.errors)
    fuzz::require(!error.message.empty(), "an error says what is wrong");
  if (result.zone != nullptr) check_zone(result.zone, text);
  return 0;
}
