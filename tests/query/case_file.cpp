#include "case_file.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <ldns/ldns.h>

#include "../unit/wire/messages.hpp"
#include "base/text.hpp"
#include "reply_text.hpp"

namespace sluice::query_cases {
namespace {

using wire::test::Message;
using wire::test::name_octets;
using wire::test::Octets;
using wire::test::subnet_option;

// What is wrong in a case file; the reader adds the line. A mistake here is the test author's, so it ends the
// file.
struct Mistake : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

unsigned number(const std::string& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw Mistake("'" + text + "' is not a number");
  return value;
}

// "key=value" in two; the value is empty when there is none.
std::pair<std::string, std::string> pair_of(const std::string& word) {
  const auto equals = word.find('=');
  if (equals == std::string::npos) return {word, ""};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

wire::Name name_of(const std::string& text) {
  auto name = wire::Name::parse(text);
  if (!name) throw Mistake(name.error().message);
  return *name;
}

Address address_of(const std::string& text) {
  const auto address = parse_address(text);
  if (!address) throw Mistake(address.error().message);
  return *address;
}

// (ADDRESS or HOST)[*WEIGHT][!down|!drained]
steer::Candidate candidate_of(std::string word) {
  steer::Candidate candidate;
  if (const auto mark = word.find('!'); mark != std::string::npos) {
    const std::string state = word.substr(mark + 1);
    if (state != "down" && state != "drained") throw Mistake("'" + state + "' is neither down nor drained");
    candidate.usable = false;
    candidate.allowed = state == "down";
    word.resize(mark);
  }
  if (const auto star = word.find('*'); star != std::string::npos) {
    candidate.weight = number(word.substr(star + 1));
    word.resize(star);
  }
  auto destination = wire::parse_destination(word);
  if (!destination) throw Mistake(destination.error().message);
  candidate.destination = *std::move(destination);
  return candidate;
}

double percent(const std::string& text) {
  const auto part = parse_percent(text);
  if (!part) throw Mistake("'" + text + "' is not a percentage");
  return *part;
}

PoolText pool_of(const std::vector<std::string>& words) {
  PoolText pool{.name = words.at(1), .candidates = {}, .rules = {}};
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto [key, value] = pair_of(words[i]);
    if (key == "min_healthy") {
      pool.rules.min_healthy = percent(value);
    } else if (key == "fail_open") {
      pool.rules.fail_open = value == "all" ? config::FailOpen::all : config::FailOpen::others;
    } else if (key == "ttl_max") {
      pool.rules.ttl_max = number(value);
    } else {
      pool.candidates.push_back(candidate_of(words[i]));
    }
  }
  return pool;
}

// The pools NAME,NAME of a steer, in the order in which they stand by; those that it does not have get the
// weight 0.
void stand_by(SteerText& steer, std::string names) {
  std::replace(names.begin(), names.end(), ',', ' ');
  unsigned place = 0;
  for (const auto& name : words_of(names)) {
    auto& pools = steer.input.pools;
    auto found =
        std::find_if(pools.begin(), pools.end(), [&](const auto& pool) { return pool.pool == name; });
    if (found == pools.end()) {
      found = pools.insert(pools.end(), {name, static_cast<AnswerCounter>(pools.size())});
      steer.weights.push_back(0);
    }
    found->standby = ++place;
  }
}

ClassText class_of(const std::vector<std::string>& words) {
  ClassText result{words.at(1), {}};
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto prefix = parse_prefix(words[i]);
    if (!prefix) throw Mistake(prefix.error().message);
    result.prefixes.push_back(*prefix);
  }
  return result;
}

SteerText steer_of(const std::vector<std::string>& words) {
  SteerText steer;
  auto& input = steer.input;
  input.name = name_of(words.at(1));
  input.ttl = 30;
  constexpr std::string_view route_prefix = "class:";
  constexpr AnswerCounter routes_counter = 1000;
  double cap = 1;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto [key, value] = pair_of(words[i]);
    if (key == "ttl") {
      input.ttl = number(value);
    } else if (key == "ttl_min") {
      input.ttl_min = number(value);
    } else if (key == "standby") {
      stand_by(steer, value);
    } else if (key == "cap") {
      cap = percent(value);
    } else if (key == "answers") {
      input.answers = number(value);
    } else if (key == "method") {
      input.method = value == "sticky" ? config::Method::sticky : config::Method::random;
    } else if (key == "subnet4") {
      input.subnet_v4 = static_cast<std::uint8_t>(number(value));
    } else if (key == "subnet6") {
      input.subnet_v6 = static_cast<std::uint8_t>(number(value));
    } else if (key.starts_with(route_prefix)) {
      input.routes.push_back({key.substr(route_prefix.size()), value, routes_counter});
    } else {
      input.pools.push_back({key, static_cast<AnswerCounter>(input.pools.size())});
      steer.weights.push_back(number(value));
    }
  }
  for (auto& pool : input.pools) pool.cap = cap;
  return steer;
}

Octets hex_of(const std::string& digits) {
  if (digits.size() % 2 != 0) throw Mistake("an odd number of hexadecimal digits");
  Octets octets;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    std::uint8_t octet = 0;
    const auto [end, error] = std::from_chars(digits.data() + i, digits.data() + i + 2, octet, 16);
    if (error != std::errc{} || end != digits.data() + i + 2)
      throw Mistake("not hexadecimal: " + digits.substr(i, 2));
    octets.push_back(octet);
  }
  return octets;
}

void read_policy(const std::vector<std::string>& words, PolicyText& policy) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto [key, value] = pair_of(words[i]);
    if (key == "identity") {
      policy.identity = value;
    } else if (key == "version") {
      policy.version = value;
    } else if (key == "now") {
      policy.now = number(value);
    } else if (key == "cookie") {
      Diagnostics errors;
      const auto secrets = answer::parse_cookie_secrets(value, "policy", errors);
      if (secrets.empty()) throw Mistake(to_text(errors));
      policy.cookies.secrets.push_back(secrets.front());
    } else if (words[i] == "cookies=required") {
      policy.cookies.required = true;
    } else {
      throw Mistake("unknown policy '" + words[i] + "'");
    }
  }
}

// The options of a query line, and what they make of its expected reply.
struct Options {
  unsigned flags = 0, udp_size = 1232, version = 0;
  bool edns = false, dnssec_ok = false;
  unsigned rr_class = 1;
  std::string class_name = "IN";
  Octets edns_options;
  std::string subnet;                         // "ADDRESS/LENGTH", to be given back
  std::vector<answer::Transport> transports;  // none: all
};

void set_subnet(const std::string& text, Options& options) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) throw Mistake("a subnet is ADDRESS/LENGTH");
  const unsigned length = number(text.substr(slash + 1));
  const Address address = address_of(text.substr(0, slash));
  const auto octets = address.bytes().first(std::min<std::size_t>((length + 7) / 8, address.size()));
  options.edns = true;
  const auto option =
      subnet_option(address.family == Family::v4 ? 1 : 2, length, 0, {octets.begin(), octets.end()});
  wire::test::append(options.edns_options, option);
  options.subnet = text;
}

void add_option(wire::OptionCode code, const Octets& value, Options& options) {
  options.edns = true;
  wire::test::append_u16(options.edns_options, static_cast<unsigned>(code));
  wire::test::append_u16(options.edns_options, static_cast<unsigned>(value.size()));
  wire::test::append(options.edns_options, value);
}

void read_option(const std::string& word, Options& options, Case& current) {
  using answer::Transport;
  const auto [key, value] = pair_of(word);
  if (key == "+udp") {
    options.transports.push_back(Transport::udp);
  } else if (key == "+tcp") {
    options.transports.push_back(Transport::tcp);
  } else if (key == "+tls") {
    options.transports.push_back(Transport::tls);
  } else if (key == "+client") {
    current.client.address = address_of(value);
    current.through_sockets = false;
  } else if (key == "+rd") {
    options.flags |= 0x0100;
  } else if (key == "+cd") {
    options.flags |= 0x0010;
  } else if (key == "+opcode") {
    options.flags |= number(value) << 11;
  } else if (key == "+edns") {
    options.edns = true;
    if (!value.empty()) options.udp_size = number(value);
  } else if (key == "+do") {
    options.edns = options.dnssec_ok = true;
  } else if (key == "+version") {
    options.edns = true;
    options.version = number(value);
  } else if (key == "+subnet") {
    set_subnet(value, options);
  } else if (key == "+nsid") {
    add_option(wire::OptionCode::nsid, {}, options);
  } else if (key == "+keepalive") {
    add_option(wire::OptionCode::keepalive, {}, options);
  } else if (key == "+padding") {
    add_option(wire::OptionCode::padding, Octets(value.empty() ? 0 : number(value)), options);
  } else if (key == "+cookie") {
    add_option(wire::OptionCode::cookie, hex_of(value), options);
  } else if (key == "+class") {
    options.class_name = value;
    options.rr_class = static_cast<unsigned>(ldns_get_rr_class_by_name(value.c_str()));
  } else {
    throw Mistake("unknown option '" + word + "'");
  }
}

// The lines of an expected reply while they are read; what is not written follows from the query.
struct Expectation {
  std::string header = "reply ?";
  std::vector<std::string> question, edns, records, size;

  std::vector<std::string> lines() const {
    std::vector<std::string> all = {header};
    if (header == "reply none") return all;
    for (const auto* part : {&question, &edns, &records, &size})
      all.insert(all.end(), part->begin(), part->end());
    sort_rrsets(all);
    return all;
  }
};

void read_query(const std::vector<std::string>& words, Case& current, Expectation& expectation) {
  Options options;
  for (std::size_t i = 3; i < words.size(); ++i) read_option(words[i], options, current);
  if (!options.transports.empty()) current.transports = options.transports;
  const std::string& type = words.at(2);
  const auto number_of_type = ldns_get_rr_type_by_name(type.c_str());
  if (number_of_type == 0 && type != "TYPE0") throw Mistake("unknown type '" + type + "'");
  Message message(0x2A2A, options.flags);
  message.question(name_octets(words.at(1)), static_cast<wire::RrType>(number_of_type),
                   static_cast<wire::RrClass>(options.rr_class));
  if (options.edns) message.opt(options.udp_size, options.dnssec_ok, options.edns_options, options.version);
  current.message = message.octets();
  expectation.question = {fmt::format("question {} {} {}", words[1], options.class_name, type)};
  if (!options.edns) return;
  expectation.edns = {std::string("edns 1232") + (options.dnssec_ok ? " do" : "") +
                      (options.subnet.empty() ? "" : " subnet=" + options.subnet + "/0")};
}

void read_raw(const std::vector<std::string>& words, Case& current) {
  std::string digits;
  Options options;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i][0] == '+') {
      read_option(words[i], options, current);
    } else {
      digits += words[i];
    }
  }
  current.message = hex_of(digits);
  if (!options.transports.empty()) current.transports = options.transports;
}

void read_record(const std::string& line, const std::string& section, Expectation& expectation) {
  const std::string record = normalised_record(line.substr(line.find(section) + section.size() + 1));
  if (record.empty()) throw Mistake("not a record");
  expectation.records.push_back(section + " " + record);
}

class Reader {
 public:
  void line(const std::string& text) {
    ++number_;
    if (zone_ != nullptr) return zone_line(text);
    const auto words = words_of(text);
    if (words.empty() || words[0][0] == '#') return;
    if (words[0] == "zone") {
      zone_ = &file_.setup.zones.emplace_back(ZoneText{name_of(words.at(1)), ""});
    } else if (words[0] == "policy") {
      read_policy(words, file_.setup.policy);
    } else if (words[0] == "pool") {
      file_.setup.pools.push_back(pool_of(words));
    } else if (words[0] == "class") {
      file_.setup.classes.push_back(class_of(words));
    } else if (words[0] == "steer") {
      file_.setup.steers.push_back(steer_of(words));
    } else if (words[0] == "case") {
      finish_case();
      expectation_ = {};
      file_.cases.push_back(
          {.line = number_, .title = text.substr(text.find("case") + 5), .message = {}, .expected = {}});
    } else {
      case_line(words, text);
    }
  }

  CaseFile finish() {
    if (zone_ != nullptr) throw Mistake("a zone without its `end`");
    finish_case();
    return std::move(file_);
  }

  unsigned number() const { return number_; }

 private:
  void zone_line(const std::string& text) {
    if (text == "end") {
      zone_ = nullptr;
    } else {
      zone_->text += text + "\n";
    }
  }

  void case_line(const std::vector<std::string>& words, const std::string& text) {
    if (file_.cases.empty()) throw Mistake("unknown word '" + words[0] + "' outside of a case");
    Case& current = file_.cases.back();
    const auto trimmed = text.substr(text.find(words[0]));
    const bool none = words.size() > 1 && words[1] == "none";
    if (words[0] == "query") {
      read_query(words, current, expectation_);
    } else if (words[0] == "raw") {
      read_raw(words, current);
    } else if (words[0] == "reply") {
      expectation_.header = trimmed;
    } else if (words[0] == "question") {
      expectation_.question = none ? std::vector<std::string>{} : std::vector{trimmed};
    } else if (words[0] == "edns") {
      expectation_.edns = none ? std::vector<std::string>{} : std::vector{trimmed};
    } else if (words[0] == "size") {
      expectation_.size = {trimmed};
    } else if (words[0] == "answer" || words[0] == "authority" || words[0] == "additional") {
      read_record(text, words[0], expectation_);
    } else {
      throw Mistake("unknown word '" + words[0] + "'");
    }
  }

  void finish_case() {
    if (file_.cases.empty()) return;
    file_.cases.back().expected = expectation_.lines();
    if (file_.setup.policy.now != 0) file_.cases.back().through_sockets = false;
  }

  CaseFile file_;
  ZoneText* zone_ = nullptr;  // whose text is being read
  Expectation expectation_;
  unsigned number_ = 0;
};

}  // namespace

std::optional<CaseFile> read_case_file(const std::string& path, std::string& error) {
  std::ifstream stream(path);
  if (!stream) return error = path + ": cannot be read", std::nullopt;
  Reader reader;
  try {
    for (std::string line; std::getline(stream, line);) reader.line(line);
    return reader.finish();
  } catch (const std::exception& mistake) {
    error = fmt::format("{}:{}: {}", path, reader.number(), mistake.what());
    return {};
  }
}

}  // namespace sluice::query_cases
