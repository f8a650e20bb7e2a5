#include "reply_text.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <ldns/ldns.h>

#include "../unit/wire/read_reply.hpp"
#include "base/address.hpp"

namespace sluice::query_cases {
namespace {

using wire::test::ReadRecord;
using wire::test::ReadReply;

constexpr std::array<const char*, 3> section_names = {"answer", "authority", "additional"};

std::string type_text(unsigned type) {
  const std::unique_ptr<char, wire::test::reading::Freed> text(
      ldns_rr_type2str(static_cast<ldns_rr_type>(type)));
  return text.get();
}

std::string class_text(unsigned rr_class) {
  const std::unique_ptr<char, wire::test::reading::Freed> text(
      ldns_rr_class2str(static_cast<ldns_rr_class>(rr_class)));
  return text.get();
}

std::string record_text(const ReadRecord& record) {
  return fmt::format("{} {} {} {} {}", record.owner, record.ttl, class_text(record.rr_class),
                     type_text(record.type), record.rdata_text);
}

std::string hex(wire::Bytes bytes) {
  std::string text;
  for (const auto octet : bytes) text += fmt::format("{:02x}", octet);
  return text;
}

unsigned u16_at(wire::Bytes bytes, std::size_t at) { return bytes[at] * 256U + bytes[at + 1]; }

std::string subnet_text(wire::Bytes option) {
  if (option.size() < 4) return " subnet=?" + hex(option);
  if (u16_at(option, 0) == 0) return fmt::format(" subnet=-/{}/{}", option[2], option[3]);
  Address address{.family = option[1] == 2 ? Family::v6 : Family::v4, .octets = {}};
  const auto octets = option.subspan(4);
  if (octets.size() > address.size()) return " subnet=?" + hex(option);
  std::copy(octets.begin(), octets.end(), address.octets.begin());
  return fmt::format(" subnet={}/{}/{}", to_text(address), option[2], option[3]);
}

std::string text_of(wire::Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// An option in words; one that we do not know as it is.
std::string option_text(unsigned code, wire::Bytes option) {
  switch (static_cast<wire::OptionCode>(code)) {
    case wire::OptionCode::nsid:
      return " nsid=" + text_of(option);
    case wire::OptionCode::client_subnet:
      return subnet_text(option);
    case wire::OptionCode::cookie:
      return " cookie=" + hex(option);
    case wire::OptionCode::keepalive:
      return option.size() == 2 ? fmt::format(" keepalive={}", u16_at(option, 0))
                                : " keepalive=?" + hex(option);
    case wire::OptionCode::padding:
      return fmt::format(" padding={}", option.size());
    case wire::OptionCode::extended_error:
      if (option.size() < 2) return " error=?" + hex(option);
      return fmt::format(" error={}{}", u16_at(option, 0),
                         option.size() == 2 ? "" : ":" + text_of(option.subspan(2)));
  }
  return fmt::format(" option{}={}", code, hex(option));
}

std::string options_text(wire::Bytes options) {
  std::string text;
  while (options.size() >= 4) {
    const std::size_t size = std::min<std::size_t>(u16_at(options, 2), options.size() - 4);
    text += option_text(u16_at(options, 0), options.subspan(4, size));
    options = options.subspan(4 + size);
  }
  return options.empty() ? text : text + " rest=" + hex(options);
}

std::string header_text(const ReadReply& reply) {
  std::string text = "reply " + rcode_text(reply.rcode);
  const struct {
    unsigned bit;
    const char* name;
  } flags[] = {{0x0400, " aa"}, {0x0200, " tc"}, {0x0100, " rd"}, {0x0080, " ra"},
               {0x0040, " z"},  {0x0020, " ad"}, {0x0010, " cd"}};
  if ((reply.flags & 0x8000) == 0) text += " no-qr";
  for (const auto& flag : flags)
    if ((reply.flags & flag.bit) != 0) text += flag.name;
  if (const unsigned opcode = reply.flags >> 11 & 0xF; opcode != 0) text += fmt::format(" opcode={}", opcode);
  return text;
}

// What names the RRset that a line belongs to: section, owner and type.
std::string rrset_key(const std::string& line) {
  std::istringstream words(line);
  std::string section, owner, ttl, rr_class, type;
  words >> section >> owner >> ttl >> rr_class >> type;
  return section + " " + owner + " " + type;
}

}  // namespace

std::string rcode_text(unsigned rcode) {
  switch (rcode) {
    case 0:
      return "NOERROR";
    case 1:
      return "FORMERR";
    case 2:
      return "SERVFAIL";
    case 3:
      return "NXDOMAIN";
    case 4:
      return "NOTIMP";
    case 5:
      return "REFUSED";
    case 6:
      return "YXDOMAIN";
    case 9:
      return "NOTAUTH";
    case 16:
      return "BADVERS";
    case 23:
      return "BADCOOKIE";
    default:
      return std::to_string(rcode);
  }
}

std::string normalised_record(const std::string& text) {
  ldns_rr* raw = nullptr;
  if (ldns_rr_new_frm_str(&raw, text.c_str(), 0, nullptr, nullptr) != LDNS_STATUS_OK) return {};
  const std::unique_ptr<ldns_rr, decltype(&ldns_rr_free)> rr(raw, &ldns_rr_free);
  return record_text(wire::test::reading::record_of(raw));
}

void sort_rrsets(std::vector<std::string>& lines) {
  for (auto begin = lines.begin(); begin != lines.end();) {
    const auto end = std::find_if(
        begin, lines.end(), [&](const std::string& line) { return rrset_key(line) != rrset_key(*begin); });
    std::sort(begin, end);
    begin = end;
  }
}

std::vector<std::string> describe(wire::Bytes octets) {
  if (octets.empty()) return {"reply none"};
  const auto reply = wire::test::read_reply(octets);
  if (!reply) return {"malformed " + hex(octets)};
  std::vector<std::string> lines = {header_text(*reply)};
  for (const auto& question : reply->question)
    lines.push_back(fmt::format("question {} {} {}", question.owner, class_text(question.rr_class),
                                type_text(question.type)));
  if (reply->edns) {
    lines.push_back(
        fmt::format("edns {}{}{}{}", reply->edns_size,
                    reply->edns_version != 0 ? fmt::format(" version={}", reply->edns_version) : "",
                    reply->edns_do ? " do" : "", options_text(reply->edns_options)));
  }
  for (std::size_t section = 0; section < section_names.size(); ++section)
    for (const auto& record : reply->sections[section])
      lines.push_back(std::string(section_names[section]) + " " + record_text(record));
  lines.push_back(fmt::format("size {}", octets.size()));
  sort_rrsets(lines);
  return lines;
}

}  // namespace sluice::query_cases
