#include "wire/name.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"

namespace sluice::wire {
namespace {

Error bad_name(std::string_view text, std::string_view why) {
  // A name may be of any length in a hostile file; a message is for a person.
  const auto shown = text.size() <= 80 ? std::string(text) : std::string(text.substr(0, 80)) + "...";
  return {ErrorCode::invalid, fmt::format("'{}' is not a domain name: {}", shown, why)};
}

// One character of a label, escapes undone (RFC 1035, 5.1). Advances `at`; -1 when the escape is malformed.
int read_character(std::string_view text, std::size_t& at) {
  const char first = text[at++];
  if (first != '\\') return static_cast<std::uint8_t>(first);
  if (at >= text.size()) return -1;
  if (!is_digit(text[at])) return static_cast<std::uint8_t>(text[at++]);
  if (text.size() - at < 3 || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) return -1;
  const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
  at += 3;
  return value <= 255 ? value : -1;
}

void append_character(std::string& text, std::uint8_t octet) {
  constexpr std::string_view special = ".\\\"();@$";
  if (octet <= ' ' || octet >= 127) {
    text += fmt::format("\\{:03}", octet);
    return;
  }
  if (special.find(static_cast<char>(octet)) != std::string_view::npos) text += '\\';
  text += static_cast<char>(octet);
}

// Eight at a time. Each octet's upper bit tells, after these sums, whether it lies between 'A' and 'Z'; an
// octet above 127 is no letter.
void copy_lower(const std::uint8_t* from, std::size_t size, std::uint8_t* to) {
  constexpr std::uint64_t each = 0x0101010101010101, upper_bits = 0x80 * each;
  for (; size >= 8; from += 8, to += 8, size -= 8) {
    const std::uint64_t octets = load_u64(from), low = octets & ~upper_bits;
    const std::uint64_t from_a = low + (0x80 - 'A') * each, past_z = low + (0x80 - 'Z' - 1) * each;
    const std::uint64_t letters =
        (from_a & ~past_z & ~octets & upper_bits) >> 2;  // 0x20: the bit between the cases
    const std::uint64_t lowered = octets | letters;
    std::memcpy(to, &lowered, sizeof lowered);
  }
  for (std::size_t i = 0; i < size; ++i) to[i] = lower(from[i]);
}

}  // namespace

Result<Name> Name::parse(std::string_view text) {
  if (text.empty()) return bad_name(text, "it is empty");
  std::string wire;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text == ".") break;
    std::string label;
    while (at < text.size() && text[at] != '.') {
      const int octet = read_character(text, at);
      if (octet < 0)
        return bad_name(text, "a backslash needs a character or three digits up to 255 behind it");
      label += static_cast<char>(lower(static_cast<std::uint8_t>(octet)));
    }
    ++at;  // the dot
    if (label.empty()) return bad_name(text, "a label is empty");
    if (label.size() > label_size_max) return bad_name(text, "a label is longer than 63 octets");
    wire += static_cast<char>(label.size());
    wire += label;
  }
  wire += '\0';
  if (wire.size() > name_size_max) return bad_name(text, "it is longer than 255 octets");
  Name name;
  name.wire_ = std::move(wire);
  return name;
}

Result<Name> Name::from_wire(Bytes wire) {
  LookupName checked;
  if (wire.empty() || checked.assign(wire) != wire.size())
    return Error{ErrorCode::invalid, "the octets are not one domain name in wire form"};
  Name name;
  name.wire_.assign(checked.wire().begin(), checked.wire().end());
  return name;
}

std::string Name::text() const { return to_text(wire()); }

unsigned Name::label_count() const {
  unsigned count = 0;
  for (std::size_t at = 0; wire_[at] != '\0'; at += 1 + static_cast<std::uint8_t>(wire_[at])) ++count;
  return count;
}

Name Name::parent() const {
  Name name;
  if (!is_root()) name.wire_ = wire_.substr(1 + static_cast<std::uint8_t>(wire_[0]));
  return name;
}

bool Name::is_subdomain_of(const Name& ancestor) const {
  const std::string_view self = wire_;
  for (std::size_t at = 0; self.size() - at >= ancestor.wire_.size();
       at += 1 + static_cast<std::uint8_t>(self[at])) {
    if (self.substr(at) == ancestor.wire_) return true;
    if (self[at] == '\0') break;
  }
  return false;
}

std::string to_text(Bytes wire) {
  if (wire.size() == 1) return ".";
  std::string text;
  for (std::size_t at = 0; wire[at] != 0; at += 1 + wire[at]) {
    for (const std::uint8_t octet : wire.subspan(at + 1, wire[at])) append_character(text, octet);
    text += '.';
  }
  return text;
}

std::size_t LookupName::assign(Bytes bytes) {
  std::size_t at = 0;
  label_count_ = 0;
  for (;;) {
    if (at >= bytes.size()) return 0;
    const std::size_t length = bytes[at];
    // RFC 1035, 4.1.4: 0b11 marks a pointer, which a query's own name has no use for; 0b01 and 0b10 are
    // reserved.
    if (length > label_size_max) return 0;
    if (at + 1 + length > std::min(bytes.size(), name_size_max)) return 0;
    label_at_[label_count_] = static_cast<std::uint8_t>(at);
    if (length == 0) break;
    at += 1 + length;
    ++label_count_;
  }
  // The length octets, too: they are less than 'A'.
  copy_lower(bytes.data(), at + 1, octets_.data());
  length_ = static_cast<std::uint8_t>(at + 1);
  return at + 1;
}

}  // namespace sluice::wire
