#include "zone/record_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <ldns/ldns.h>

#include "base/address.hpp"
#include "base/text.hpp"
#include "zone/rdata_rules.hpp"

namespace sluice::zone {
namespace {

using wire::RrType;

// ldns reads the rdata into a buffer of LDNS_MAX_PACKETLEN octets, and gives up silently on more.
constexpr std::size_t rdata_text_max = LDNS_MAX_PACKETLEN - 64;
constexpr std::size_t shown_text_max = 40;  // of a hostile word, in a message for a person

struct RdfDeleter {
  void operator()(ldns_rdf* rdf) const { ldns_rdf_deep_free(rdf); }
};
struct RrDeleter {
  void operator()(ldns_rr* rr) const { ldns_rr_free(rr); }
};
using RdfHandle = std::unique_ptr<ldns_rdf, RdfDeleter>;
using RrHandle = std::unique_ptr<ldns_rr, RrDeleter>;

std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, shown_text_max)) {
    const bool printable = c >= ' ' && c < 127;
    result += printable ? std::string(1, c) : fmt::format("\\{:03}", static_cast<unsigned char>(c));
  }
  return text.size() > shown_text_max ? result + "..." : result;
}

// What a field of rdata has to be, for a message; and the largest number, where ldns does not check it.
struct FieldRow {
  ldns_rdf_type type;
  std::string_view expected;
  std::uint32_t number_max = 0;
};
constexpr FieldRow fields[] = {
    {LDNS_RDF_TYPE_DNAME, "a domain name"},
    {LDNS_RDF_TYPE_INT8, "a number from 0 to 255", 0xFF},
    {LDNS_RDF_TYPE_INT16, "a number from 0 to 65535", 0xFFFF},
    {LDNS_RDF_TYPE_INT32, "a number from 0 to 4294967295", 0xFFFFFFFF},
    {LDNS_RDF_TYPE_A, "an IPv4 address"},
    {LDNS_RDF_TYPE_AAAA, "an IPv6 address"},
    {LDNS_RDF_TYPE_STR, "a text of at most 255 octets"},
    {LDNS_RDF_TYPE_APL, "address prefixes like 1:192.0.2.0/24"},
    {LDNS_RDF_TYPE_B32_EXT, "base32"},
    {LDNS_RDF_TYPE_B64, "base64"},
    {LDNS_RDF_TYPE_HEX, "pairs of hexadecimal digits"},
    {LDNS_RDF_TYPE_NSEC, "record types"},
    {LDNS_RDF_TYPE_TYPE, "a record type"},
    {LDNS_RDF_TYPE_CERT_ALG, "a certificate type"},
    {LDNS_RDF_TYPE_ALG, "an algorithm"},
    {LDNS_RDF_TYPE_TIME, "a time like 20300131120000"},
    {LDNS_RDF_TYPE_PERIOD, "a number of seconds from 0 to 4294967295"},
    {LDNS_RDF_TYPE_LOC, "a location (RFC 1876, 3)"},
    {LDNS_RDF_TYPE_WKS, "services"},
    {LDNS_RDF_TYPE_TAG, "a tag of letters and digits"},
    {LDNS_RDF_TYPE_LONG_STR, "a text"},
    {LDNS_RDF_TYPE_CERTIFICATE_USAGE, "a number from 0 to 255"},
    {LDNS_RDF_TYPE_SELECTOR, "a number from 0 to 255"},
    {LDNS_RDF_TYPE_MATCHING_TYPE, "a number from 0 to 255"},
    {LDNS_RDF_TYPE_SVCPARAMS, "service parameters like alpn=h2 port=443 (RFC 9460, 2.1)"},
    {LDNS_RDF_TYPE_EUI48, "an address like 00-00-5e-00-53-2a"},
    {LDNS_RDF_TYPE_EUI64, "an address like 00-00-5e-ef-10-00-00-2a"},
    {LDNS_RDF_TYPE_ILNP64, "an address like 0014:4fff:ff20:ee64"},
};

const FieldRow* field_row(ldns_rdf_type type) {
  const auto* row = std::ranges::find(fields, type, &FieldRow::type);
  return row == std::end(fields) ? nullptr : row;
}

std::string expected(ldns_rdf_type type) {
  const auto* row = field_row(type);
  return row != nullptr ? std::string(row->expected) : "rdata of the type's own form";
}

// The words of these fields run to the end of the record.
bool takes_the_rest(ldns_rdf_type type) {
  constexpr std::array rest{LDNS_RDF_TYPE_B64,     LDNS_RDF_TYPE_HEX,  LDNS_RDF_TYPE_LOC,
                            LDNS_RDF_TYPE_WKS,     LDNS_RDF_TYPE_NSEC, LDNS_RDF_TYPE_SVCPARAMS,
                            LDNS_RDF_TYPE_APL,     LDNS_RDF_TYPE_HIP,  LDNS_RDF_TYPE_IPSECKEY,
                            LDNS_RDF_TYPE_AMTRELAY};
  return std::ranges::find(rest, type) != rest.end();
}

bool is_decimal(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  std::uint64_t value = 0;
  if (!is_decimal(text)) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value > max) return {};
  return static_cast<std::uint32_t>(value);
}

// Types that ldns knows under another form than their documents give them: NULL (RFC 1035, 3.3.10: any
// octets, and no text), NSAP-PTR (RFC 1348), NXT (RFC 2535), A6 (RFC 2874) and SINK. All are historic, and
// their octets can be written as those of any unknown type.
constexpr std::array<unsigned, 5> misread_types{10, 23, 30, 38, 40};

// The descriptor of a type that ldns knows the form of; null for others.
const ldns_rr_descriptor* descriptor(RrType type) {
  if (std::ranges::find(misread_types, static_cast<unsigned>(type)) != misread_types.end()) return nullptr;
  const auto* found = ldns_rr_descript(static_cast<std::uint16_t>(type));
  return found != nullptr && static_cast<unsigned>(found->_type) == static_cast<unsigned>(type) ? found
                                                                                                : nullptr;
}

std::string type_name(const ldns_rr_descriptor& form) {
  return form._name != nullptr ? form._name : fmt::format("TYPE{}", static_cast<unsigned>(form._type));
}

// "MX needs 2 values: a number from 0 to 65535, a domain name".
std::string needs(const ldns_rr_descriptor& form) {
  const auto count = ldns_rr_descriptor_minimum(&form);
  auto text = fmt::format("{} needs {} value{}: ", type_name(form), count, count == 1 ? "" : "s");
  for (std::size_t i = 0; i < count; ++i)
    text += (i == 0 ? "" : ", ") + expected(ldns_rr_descriptor_field_type(&form, i));
  return text;
}

Problem unexpected(const Token& word, ldns_rdf_type type) {
  return {word.at, fmt::format("'{}' is not valid here: expected {}", shown(word.text), expected(type))};
}

// A mnemonic, or a number (RFC 4398, 2.1). ldns loses memory on any other word, and cuts numbers to 16 bits.
bool is_certificate_type(std::string_view word) {
  if (is_decimal(word)) return parse_number(word, 0xFFFF).value_or(0) != 0;
  return ldns_lookup_by_name(ldns_cert_algorithms, std::string(word).c_str()) != nullptr;
}

// Whether the word is a number that fits its field, where ldns would cut it to the field's size.
bool fits_number(ldns_rdf_type type, std::string_view word) {
  const auto* row = field_row(type);
  if (row != nullptr && row->number_max != 0) return parse_number(word, row->number_max).has_value();
  if (type == LDNS_RDF_TYPE_PERIOD) return parse_period(word, 0xFFFFFFFF).has_value();
  if (type == LDNS_RDF_TYPE_CERT_ALG) return is_certificate_type(word);
  // Here ldns takes mnemonics as well.
  const bool is_code = type == LDNS_RDF_TYPE_ALG || type == LDNS_RDF_TYPE_CERTIFICATE_USAGE ||
                       type == LDNS_RDF_TYPE_SELECTOR || type == LDNS_RDF_TYPE_MATCHING_TYPE;
  return !is_code || !is_decimal(word) || parse_number(word, 0xFF).has_value();
}

// Whether ldns reads the word as one of this field at all, and not as something else.
bool is_plain_word(ldns_rdf_type type, const Token& word) {
  // In the midst of a record ldns would take \# for the begin of octets and leave the record without its
  // fields.
  if (word.text == "\\#" && type != LDNS_RDF_TYPE_STR) return false;
  if (type == LDNS_RDF_TYPE_DNAME && word.quoted()) return false;
  // It would read a"b c" as two texts.
  return type == LDNS_RDF_TYPE_SVCPARAMS || !has_inner_quote(word.text);
}

// ldns cuts a port to 16 bits.
bool has_plain_port(std::string_view word) {
  constexpr std::string_view key = "port=";
  if (!word.starts_with(key)) return true;
  word.remove_prefix(key.size());
  if (word.size() >= 2 && word.starts_with('"') && word.ends_with('"'))
    word = word.substr(1, word.size() - 2);
  return parse_number(word, 0xFFFF).has_value();
}

std::size_t count_octets(std::span<const Token> words) {
  std::size_t count = 0;
  for (const Token& word : words) count += word.text.size();
  return count;
}

// Where ldns is too lenient. `rest` are the words from this field on.
std::optional<Problem> check_field(RecordParser& parser, ldns_rdf_type type, std::span<const Token> rest) {
  const Token& word = rest.front();
  if (!fits_number(type, word.text)) return unexpected(word, type);
  if (type == LDNS_RDF_TYPE_HEX && count_octets(rest) % 2 != 0) return unexpected(word, type);
  const bool is_type = type == LDNS_RDF_TYPE_TYPE || type == LDNS_RDF_TYPE_NSEC;
  for (const Token& each : takes_the_rest(type) ? rest : rest.first(1)) {
    if (!is_plain_word(type, each)) return unexpected(each, type);
    if (is_type && !parser.type(each.text)) return unexpected(each, type);
    if (type == LDNS_RDF_TYPE_SVCPARAMS && !has_plain_port(each.text))
      return Problem{each.at,
                     fmt::format("'{}': expected a port from 0 to 65535 (RFC 9460, 7.2)", shown(each.text))};
  }
  return {};
}

std::optional<Problem> check_words(RecordParser& parser, const ldns_rr_descriptor& form,
                                   std::span<const Token> words) {
  for (std::size_t i = 0; i < std::min(words.size(), ldns_rr_descriptor_maximum(&form)); ++i) {
    const auto type = ldns_rr_descriptor_field_type(&form, i);
    if (auto problem = check_field(parser, type, words.subspan(i))) return problem;
    if (takes_the_rest(type)) break;
  }
  return {};
}

// ldns says that something is wrong with the rdata, but not with what: asks it for each word alone.
Problem find_culprit(const ldns_rr_descriptor& form, const Token& type_token, std::span<const Token> words) {
  const auto fields_max = ldns_rr_descriptor_maximum(&form);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i >= fields_max)
      return {words[i].at, fmt::format("'{}' is too much: {}", shown(words[i].text), needs(form))};
    const auto type = ldns_rr_descriptor_field_type(&form, i);
    if (takes_the_rest(type)) return unexpected(words[i], type);
    auto text = std::string(words[i].text);
    if (words[i].quoted()) text = text.substr(1, text.size() - 2);
    if (!RdfHandle(ldns_rdf_new_frm_str(type, text.c_str()))) return unexpected(words[i], type);
  }
  return {type_token.at, needs(form)};
}

void append_rdfs(const ldns_rr& rr, std::vector<std::uint8_t>& out) {
  for (std::size_t i = 0; i < ldns_rr_rd_count(&rr); ++i) {
    const auto* rdf = ldns_rr_rdf(&rr, i);
    if (rdf == nullptr) continue;
    const auto* data = ldns_rdf_data(rdf);
    out.insert(out.end(), data, data + ldns_rdf_size(rdf));
  }
}

// Whether the record has all of its fields, with names where names belong: what the compiler relies on.
bool has_its_form(const ldns_rr& rr, const ldns_rr_descriptor& form) {
  if (ldns_rr_rd_count(&rr) < ldns_rr_descriptor_minimum(&form)) return false;
  // Behind the last field ldns still takes \# for octets, and aborts when it is asked what field they are.
  if (ldns_rr_rd_count(&rr) > ldns_rr_descriptor_maximum(&form)) return false;
  for (std::size_t i = 0; i < ldns_rr_rd_count(&rr); ++i) {
    const auto* rdf = ldns_rr_rdf(&rr, i);
    const bool wants_name = ldns_rr_descriptor_field_type(&form, i) == LDNS_RDF_TYPE_DNAME;
    if (rdf == nullptr || (ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME) != wants_name) return false;
  }
  return true;
}

// ldns concatenates a relative name and its origin without looking at the sum. Returns the field with too
// long a name.
std::optional<std::size_t> find_long_name(const ldns_rr& rr) {
  for (std::size_t i = 0; i < ldns_rr_rd_count(&rr); ++i) {
    const auto* rdf = ldns_rr_rdf(&rr, i);
    if (ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME && ldns_rdf_size(rdf) > wire::name_size_max) return i;
  }
  return {};
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `\# LENGTH HEX...` (RFC 3597, 5), all words of it.
std::optional<Problem> parse_generic(std::span<const Token> words, std::vector<std::uint8_t>& octets) {
  const auto length = words.size() > 1 ? parse_number(words[1].text, 0xFFFF) : std::nullopt;
  if (!length)
    return Problem{words[words.size() > 1 ? 1 : 0].at,
                   "expected the rdata's length in octets, from 0 to 65535, after \\# (RFC 3597, 5)"};
  std::string digits;
  for (const Token& word : words.subspan(2)) {
    if (std::ranges::any_of(word.text, [](char c) { return hex_digit(c) < 0; }))
      return unexpected(word, LDNS_RDF_TYPE_HEX);
    digits += word.text;
  }
  if (digits.size() != std::size_t{2} * *length)
    return Problem{words[1].at, fmt::format("\\# {} needs {} hexadecimal digits, found {} (RFC 3597, 5)",
                                            *length, 2 * *length, digits.size())};
  for (std::size_t i = 0; i < digits.size(); i += 2)
    octets.push_back(static_cast<std::uint8_t>(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1])));
  return {};
}

// RFC 1035, 3.3.14: one or more strings, each with its length before it.
bool are_strings(wire::Bytes octets) {
  std::size_t at = 0;
  while (at < octets.size()) at += 1U + octets[at];
  return !octets.empty() && at == octets.size();
}

// Whether the octets are what ldns itself would write for the type: nothing missing, left over or compressed.
bool is_valid_rdata(const ldns_rr_descriptor& form, wire::Bytes octets) {
  // ldns needs memory by the square of their number: 1 GB for 65,535 empty strings.
  if (form._maximum == 0 && form._variable == LDNS_RDF_TYPE_STR) return are_strings(octets);
  std::vector<std::uint8_t> message{0};  // the root as owner
  const auto put16 = [&](std::size_t value) {
    message.push_back(static_cast<std::uint8_t>(value >> 8));
    message.push_back(static_cast<std::uint8_t>(value));
  };
  for (const auto value :
       {static_cast<std::size_t>(form._type), std::size_t{1}, std::size_t{0}, std::size_t{0}, octets.size()})
    put16(value);
  message.insert(message.end(), octets.begin(), octets.end());
  ldns_rr* parsed = nullptr;
  std::size_t at = 0;
  const auto status = ldns_wire2rr(&parsed, message.data(), message.size(), &at, LDNS_SECTION_ANSWER);
  const RrHandle rr(status == LDNS_STATUS_OK ? parsed : nullptr);
  if (!rr || ldns_rr_rd_count(rr.get()) < ldns_rr_descriptor_minimum(&form)) return false;
  std::vector<std::uint8_t> written;
  append_rdfs(*rr, written);
  return std::ranges::equal(written, octets);
}

std::optional<Problem> read_generic(const ldns_rr_descriptor* form, std::span<const Token> words,
                                    std::vector<std::uint8_t>& out) {
  std::vector<std::uint8_t> octets;
  if (auto problem = parse_generic(words, octets)) return problem;
  if (form != nullptr && !is_valid_rdata(*form, octets))
    return Problem{words[0].at, fmt::format("the octets are not the rdata of a record of type {}: {}",
                                            type_name(*form), needs(*form))};
  const auto wrong = form != nullptr ? broken_rule(static_cast<RrType>(form->_type), octets) : "";
  if (!wrong.empty()) return Problem{words[0].at, std::string(wrong)};
  out.insert(out.end(), octets.begin(), octets.end());
  return {};
}

// The octets of a <character-string> (RFC 1035, 5.1): \DDD and \X stand for one. Nothing when it ends amidst
// one.
std::optional<std::string> unescape(std::string_view text) {
  std::string octets;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      octets += text[i];
    } else if (const auto number = parse_number(text.substr(i + 1, 3), 255); number && i + 3 < text.size()) {
      octets += static_cast<char>(*number);
      i += 3;
    } else if (++i < text.size()) {
      octets += text[i];
    } else {
      return {};
    }
  }
  return octets;
}

// RFC 9460, A.1: a list of protocols is unescaped twice, as a text and as a list with commas; ldns does so
// once. For a word in which that makes a difference: the same with each octet of a protocol as \DDD.
std::optional<std::string> alpn_by_numbers(std::string_view word) {
  constexpr std::string_view key = "alpn=";
  if (!word.starts_with(key) || word.find('\\') == std::string_view::npos) return {};
  word.remove_prefix(key.size());
  if (word.size() >= 2 && word.starts_with('"') && word.ends_with('"'))
    word = word.substr(1, word.size() - 2);
  const auto list = unescape(word);
  if (!list) return {};
  std::vector<std::string> protocols(1);
  for (std::size_t i = 0; i < list->size(); ++i) {
    const char c = (*list)[i];
    if (c == ',') {
      protocols.emplace_back();
    } else if (c != '\\') {
      protocols.back() += c;
    } else if (++i < list->size()) {
      protocols.back() += (*list)[i];
    }
  }
  std::string text;
  for (const auto& protocol : protocols) {
    text += text.empty() ? "alpn=\"" : ",";
    for (const char c : protocol) text += fmt::format("\\{:03}", static_cast<unsigned char>(c));
  }
  return text + '"';
}

// The address of an A or AAAA record, appended to `out`. False for other types, and for what ldns has to find
// the fault of. Big zones consist of these, and this takes a tenth of the time.
bool read_address(RrType type, std::span<const Token> words, std::vector<std::uint8_t>& out) {
  if (words.size() != 1 || (type != RrType::a && type != RrType::aaaa)) return false;
  const auto address = parse_address(words[0].text);
  if (!address || (address->family == Family::v4) != (type == RrType::a)) return false;
  out.insert(out.end(), address->bytes().begin(), address->bytes().end());
  return true;
}

bool is_field(const ldns_rr_descriptor& form, std::size_t i, ldns_rdf_type type) {
  return i < ldns_rr_descriptor_maximum(&form) && ldns_rr_descriptor_field_type(&form, i) == type;
}

void append_words(const ldns_rr_descriptor& form, std::span<const Token> words, std::string& text) {
  bool is_parameter = false;  // of a service: they run to the end of the record
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += ' ';
    // ldns wants quotes around these; RFC 8659, 4.1.1 does not.
    const bool add_quotes = !words[i].quoted() && is_field(form, i, LDNS_RDF_TYPE_LONG_STR);
    is_parameter = is_parameter || is_field(form, i, LDNS_RDF_TYPE_SVCPARAMS);
    const auto octets = is_parameter ? alpn_by_numbers(words[i].text) : std::nullopt;
    if (add_quotes) text += '"';
    text += octets ? *octets : words[i].text;
    if (add_quotes) text += '"';
  }
}

}  // namespace

struct RecordParser::Origin {
  RdfHandle name;
};

RecordParser::RecordParser() : origin_(std::make_unique<Origin>()) {}
RecordParser::~RecordParser() = default;

void RecordParser::set_origin(const wire::Name& origin) {
  const auto bytes = origin.wire();
  origin_->name.reset(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, bytes.size(), bytes.data()));
}

std::optional<RrType> RecordParser::type(std::string_view text) {
  if (const auto known = types_.find(text); known != types_.end()) return known->second;
  constexpr std::size_t type_text_max = 32;  // no type's name is longer
  if (text.size() > type_text_max) return {};
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::uint32_t number = 0;
  if (upper.starts_with("TYPE")) {
    const auto value = parse_number(std::string_view(upper).substr(4), 0xFFFF);
    if (!value) return {};
    number = *value;
  } else {
    number = static_cast<std::uint32_t>(ldns_get_rr_type_by_name(upper.c_str()));
    if (number == 0) return {};
  }
  const auto type = static_cast<RrType>(number);
  constexpr std::size_t types_max = 256;  // a file may name 65,536 of them; the usual ones come early
  if (types_.size() < types_max) types_.emplace(text, type);
  return type;
}

std::optional<Problem> RecordParser::rdata(RrType type, const Token& type_token, std::span<const Token> words,
                                           std::vector<std::uint8_t>& out) {
  if (read_address(type, words, out)) return {};
  const auto* form = descriptor(type);
  if (!words.empty() && words[0].text == "\\#") return read_generic(form, words, out);
  if (form == nullptr)
    return Problem{
        type_token.at,
        fmt::format("the form of type {} is not known: expected its rdata as \\# LENGTH HEX (RFC 3597, 5)",
                    shown(type_token.text))};
  if (auto problem = check_words(*this, *form, words)) return problem;

  // The owner, the TTL and the class are read by the loader; ldns gets the number of the type, which it finds
  // sooner.
  text_ = ". 0 IN TYPE";
  text_ += std::to_string(static_cast<unsigned>(type));
  append_words(*form, words, text_);
  if (text_.size() > rdata_text_max)
    return Problem{type_token.at, "the record's text is longer than 65,000 octets"};
  ldns_rr* parsed = nullptr;
  const auto status = ldns_rr_new_frm_str(&parsed, text_.c_str(), 0, origin_->name.get(), nullptr);
  const RrHandle rr(status == LDNS_STATUS_OK ? parsed : nullptr);
  if (!rr || !has_its_form(*rr, *form)) return find_culprit(*form, type_token, words);
  if (const auto field = find_long_name(*rr))
    return Problem{*field < words.size() ? words[*field].at : type_token.at,
                   "the name is longer than 255 octets with the origin (RFC 1035, 2.3.4)"};

  const auto start = out.size();
  append_rdfs(*rr, out);
  const auto rdata = wire::Bytes(out).subspan(start);
  std::string_view wrong;
  if (rdata.size() > 0xFFFF)
    wrong = "the rdata is longer than 65,535 octets (RFC 1035, 3.2.1)";
  else
    wrong = broken_rule(type, rdata);
  if (wrong.empty()) return {};
  out.resize(start);
  return Problem{type_token.at, std::string(wrong)};
}

std::optional<std::uint32_t> parse_period(std::string_view text, std::uint32_t seconds_max) {
  std::uint64_t sum = 0, number = 0;
  bool has_digit = false;
  if (text.empty()) return {};
  for (const char c : text) {
    if (is_digit(c)) {
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      has_digit = true;
      if (number > seconds_max) return {};
      continue;
    }
    constexpr std::string_view units = "smhdwSMHDW";
    constexpr std::array<std::uint64_t, 5> seconds{1, 60, 3600, 86400, 604800};
    const auto unit = units.find(c);
    if (unit == std::string_view::npos || !has_digit) return {};
    sum += number * seconds[unit % seconds.size()];
    if (sum > seconds_max) return {};
    number = 0;
    has_digit = false;
  }
  sum += number;
  if (sum > seconds_max) return {};
  return static_cast<std::uint32_t>(sum);
}

}  // namespace sluice::zone
