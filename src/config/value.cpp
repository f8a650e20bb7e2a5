#include "config/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/weights.hpp"

namespace sluice::config {
namespace {

constexpr std::string_view address_wanted = "an IP address such as \"192.0.2.1\" or \"2001:db8::1\"";
constexpr std::string_view host_wanted = "a host name such as \"edge.cdn.example.\"";

constexpr std::size_t text_size_max = 4095;  // PATH_MAX without the final zero; all other texts are shorter
constexpr std::size_t listeners_max = 256;   // each is two sockets in every worker
constexpr std::size_t prefixes_max = 64;     // each is compared with the address of each client
constexpr std::size_t endpoints_max = 4096;  // of a pool: an answer is compiled for each window over them
constexpr std::size_t status_ranges_max = 500;  // there are no more statuses
constexpr std::size_t transfers_max = 1000;     // each query for a transfer is held against all of them
constexpr std::size_t notifies_max = 1000;      // each change of the zone is a message to all of them
constexpr std::size_t secret_size_max = 512;    // several times what the longest hash takes in
constexpr std::size_t command_parts_max = 64;
constexpr std::size_t command_size_max = 32'768;  // of all parts, so that a request to start it has a bound
constexpr std::size_t headers_max = 32;           // far more than a probe needs
constexpr std::size_t token_size_max = 512;       // what fits into a line of a request with ease
constexpr std::size_t kinds_max = 64;             // each event is held against all of them
constexpr std::size_t analyses_max = 16;          // of a rollout
constexpr std::size_t rollout_steps_max = 100;
constexpr std::size_t freeze_windows_max = 64;  // each is looked at before each step
constexpr std::uint16_t dns_port = 53;

bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }

// Names of header fields are the same in any case.
std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// Why the user may not set a header field; empty when he may.
std::string_view ours(std::string_view name) {
  const auto lower = in_lower_case(name);
  if (lower == "host") return "the key 'host' is for it";
  if (lower == "connection" || lower == "content-length" || lower == "transfer-encoding")
    return "it is set by us, as a probe has no body and one request to a connection";
  return "";
}

std::string got(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("\"{}\"", shown(text->get()));
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  return std::string(kind_of(node));
}

std::int64_t to_integer(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Why nothing can be sent to the address, or listens on it; empty when something can.
std::string_view unusable(const Address& address) {
  const auto& octets = address.octets;
  if (address.family == Family::v4) {
    if ((octets[0] & 0xF0) == 0xE0) return "a multicast address";  // RFC 5771
    if (octets == Address{Family::v4, {255, 255, 255, 255}}.octets)
      return "the broadcast address";  // RFC 919
    return "";
  }
  if (octets[0] == 0xFF) return "a multicast address";  // RFC 4291, 2.7
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0,    0,
                                                0, 0, 0, 0, 0xFF, 0xFF};  // RFC 4291, 2.5.5.2
  if (std::equal(mapped.begin(), mapped.end(), octets.begin()))
    return "an IPv4 address written as IPv6; write it as IPv4";
  return "";
}

bool is_unspecified(const Address& address) {
  return std::all_of(address.octets.begin(), address.octets.end(),
                     [](std::uint8_t octet) { return octet == 0; });
}

// Whether it is there is no matter of the config: the check fails by that name when it is not, and a package
// that is being replaced keeps no daemon from starting.
std::string program_complaint(const std::string& path) {
  if (path.starts_with('/')) return "";
  return fmt::format("expected an absolute path such as \"/usr/bin/pg_isready\" first, got \"{}\"",
                     shown(path));
}

// "200" or "200-399"
std::optional<StatusRange> parse_range(std::string_view text) {
  const char* const end = text.data() + text.size();
  StatusRange range;
  auto [at, error] = std::from_chars(text.data(), end, range.first);
  range.last = range.first;
  if (error == std::errc{} && at != end && *at == '-') {
    const auto last = std::from_chars(at + 1, end, range.last);
    at = last.ptr;
    error = last.ec;
  }
  if (error != std::errc{} || at != end || range.first > range.last) return std::nullopt;
  return range;
}

}  // namespace

Position begin_of(const toml::node& node) { return {node.source().begin.line, node.source().begin.column}; }
Position begin_of(const toml::key& key) { return {key.source().begin.line, key.source().begin.column}; }

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::none:
      return "nothing";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time of day";
    case toml::node_type::date_time:
      return "a date and time";
  }
  return "nothing";
}

std::string hint(std::string_view word, std::span<const std::string> candidates) {
  const auto meant = nearest(word, candidates);
  return meant ? fmt::format("; did you mean '{}'?", shown(*meant)) : "";
}

std::optional<Value> ValueReader::read(const KeyRow& row, const toml::node& node) {
  switch (row.type) {
    case Type::text:
      return read_text(row, node);
    case Type::path: {
      const auto text = read_text(row, node);
      if (!text) return std::nullopt;
      return (folder_ / *text).string();
    }
    case Type::boolean:
      return read_boolean(row, node);
    case Type::integer:
      return read_integer(row, node);
    case Type::duration:
    case Type::whole_seconds:
      return read_duration(row, node);
    case Type::percent:
      return read_percent(row, node);
    case Type::number:
      return read_number(row, node);
    case Type::choice:
      return read_choice(row, node);
    case Type::listener:
      return read_listener(row, node);
    case Type::listeners:
      return read_listeners(row, node);
    case Type::prefixes:
      return read_prefixes(row, node, prefixes_max);
    case Type::class_prefixes:
      return read_prefixes(row, node, class_prefixes_max);
    case Type::destination:
      return read_destination(row, node);
    case Type::endpoints:
      return read_endpoints(row, node);
    case Type::weights:
      return read_weights(row, node);
    case Type::pools:
      return read_names(row, node, steer_pools_max, "the NAME of a section [pool.NAME]");
    case Type::analyses:
      return read_names(row, node, analyses_max, "the NAME of a section [analysis.NAME]");
    case Type::steps:
      return read_steps(row, node);
    case Type::freeze:
      return read_freeze(row, node);
    case Type::routes:
      return read_routes(row, node);
    case Type::statuses:
      return read_statuses(row, node);
    case Type::headers:
      return read_headers(row, node);
    case Type::token:
      return read_token(row, node);
    case Type::secret:
      return read_secret(row, node);
    case Type::transfers:
      return read_transfers(row, node);
    case Type::notifies:
      return read_notifies(row, node);
    case Type::command:
      return read_command(row, node);
    case Type::kinds:
      return read_kinds(row, node);
  }
  return std::nullopt;
}

std::nullopt_t ValueReader::refuse_type(const KeyRow& row, const toml::node& node, std::string_view wanted) {
  errors_.add(begin_of(node), fmt::format("{}: expected {}, got {}", row.key, wanted, kind_of(node)));
  return std::nullopt;
}

std::nullopt_t ValueReader::refuse_value(const KeyRow& row, const toml::node& node, std::string_view wanted) {
  errors_.add(begin_of(node), fmt::format("{}: expected {}, got {}", row.key, wanted, got(node)));
  return std::nullopt;
}

std::optional<std::string> ValueReader::read_text(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  if (!value) return refuse_type(row, node, expected(row));
  const std::string& text = value->get();
  std::string wanted;
  if (text.size() > text_size_max)
    wanted = fmt::format("at most {} octets", text_size_max);
  else if (std::any_of(text.begin(), text.end(), is_control))
    wanted = "a text without control characters";
  else if (row.complaint)
    wanted = row.complaint(text);
  if (wanted.empty()) return text;
  return refuse_value(row, node, wanted);
}

std::optional<bool> ValueReader::read_boolean(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_boolean();
  if (!value) return refuse_type(row, node, expected(row));
  return value->get();
}

std::optional<std::int64_t> ValueReader::read_integer(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_integer();
  if (!value) return refuse_type(row, node, expected(row));
  const auto number = value->get();
  if (row.bounds && (number < to_integer(row.bounds->least) || number > to_integer(row.bounds->most)))
    return refuse_value(row, node, fmt::format("{} to {}", row.bounds->least, row.bounds->most));
  return number;
}

std::optional<Duration> ValueReader::read_duration(const KeyRow& row, const toml::node& node) {
  const auto* text = node.as_string();
  if (!text) return refuse_type(row, node, expected(row));
  const auto duration = parse_duration(text->get());
  if (!duration) return refuse_value(row, node, expected(row));
  const auto& bounds = row.bounds;
  if (bounds && (*duration < *parse_duration(bounds->least) || *duration > *parse_duration(bounds->most)))
    return refuse_value(row, node, fmt::format("{} to {}", bounds->least, bounds->most));
  if (row.type == Type::whole_seconds && *duration % std::chrono::seconds(1) != Duration::zero())
    return refuse_value(row, node, "whole seconds");
  return *duration;
}

std::optional<double> ValueReader::read_percent(const KeyRow& row, const toml::node& node) {
  const auto* text = node.as_string();
  if (!text) return refuse_type(row, node, expected(row));
  const auto part = parse_percent(text->get());
  if (!part) return refuse_value(row, node, expected(row));
  const auto& bounds = row.bounds;
  if (bounds && (*part < *parse_percent(bounds->least) || *part > *parse_percent(bounds->most)))
    return refuse_value(row, node, fmt::format("{} to {}", bounds->least, bounds->most));
  return *part;
}

std::optional<double> ValueReader::read_number(const KeyRow& row, const toml::node& node) {
  double number = 0;
  if (const auto* integer = node.as_integer())
    number = static_cast<double>(integer->get());
  else if (const auto* real = node.as_floating_point())
    number = real->get();
  else
    return refuse_type(row, node, expected(row));
  const auto& bounds = row.bounds;
  const bool fits = !bounds || (number >= static_cast<double>(to_integer(bounds->least)) &&
                                number <= static_cast<double>(to_integer(bounds->most)));
  if (!fits || !std::isfinite(number))
    return refuse_value(row, node,
                        bounds ? fmt::format("{} to {}", bounds->least, bounds->most) : expected(row));
  return number;
}

std::optional<Choice> ValueReader::read_choice(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  const std::string_view text = value ? std::string_view(value->get()) : "";
  const auto found = std::find(row.choices.begin(), row.choices.end(), text);
  if (value && found != row.choices.end())
    return Choice{static_cast<std::size_t>(found - row.choices.begin())};
  const bool planned = std::find(row.planned.begin(), row.planned.end(), text) != row.planned.end();
  if (value && planned)
    errors_.add(begin_of(node),
                fmt::format("{}: \"{}\" is not supported yet; expected {}", row.key, text, expected(row)));
  else if (value)
    refuse_value(row, node, expected(row));
  else
    refuse_type(row, node, expected(row));
  return std::nullopt;
}

std::optional<SocketAddress> ValueReader::read_listener(const KeyRow& row, const toml::node& node) {
  constexpr std::string_view wanted = "ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\"";
  const auto* value = node.as_string();
  if (!value) return refuse_type(row, node, wanted);
  const std::string& text = value->get();
  const auto address = parse_socket_address(text);
  // What follows a zero octet would go unread.
  if (!address || std::any_of(text.begin(), text.end(), is_control)) return refuse_value(row, node, wanted);
  if (const auto reason = unusable(address->address); !reason.empty()) {
    errors_.add(begin_of(node), fmt::format("{}: \"{}\" is {}", row.key, text, reason));
    return std::nullopt;
  }
  return *address;
}

// The node as an array that holds 1 to `size_max` elements; null after an error.
const toml::array* ValueReader::elements(const KeyRow& row, const toml::node& node, std::size_t size_max) {
  const auto* array = node.as_array();
  if (!array)
    refuse_type(row, node, expected(row));
  else if (array->empty())
    errors_.add(begin_of(node), fmt::format("{}: expected at least one, got none", row.key));
  else if (array->size() > size_max)
    errors_.add(begin_of(node),
                fmt::format("{}: expected at most {}, got {}", row.key, size_max, array->size()));
  else
    return array;
  return nullptr;
}

std::optional<std::vector<Located<SocketAddress>>> ValueReader::read_listeners(const KeyRow& row,
                                                                               const toml::node& node) {
  const auto* array = elements(row, node, listeners_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<Located<SocketAddress>> listeners;
  std::map<SocketAddress, Position> seen;
  for (const auto& element : *array) {
    const auto listener = read_listener(row, element);
    if (!listener) continue;
    const auto [first, is_new] = seen.try_emplace(*listener, begin_of(element));
    if (is_new)
      listeners.push_back({*listener, begin_of(element)});
    else
      errors_.add(begin_of(element),
                  fmt::format("{}: {} is given twice, first at {}:{}", row.key, to_text(*listener),
                              first->second.line, first->second.column));
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return listeners;
}

std::optional<std::vector<Prefix>> ValueReader::read_prefixes(const KeyRow& row, const toml::node& node,
                                                              std::size_t size_max) {
  const auto* array = elements(row, node, size_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<Prefix> prefixes;
  for (const auto& element : *array) {
    const auto* text = element.as_string();
    const auto prefix = text ? parse_prefix(text->get()) : Error{ErrorCode::invalid, ""};
    if (prefix)
      prefixes.push_back(*prefix);
    else if (!text)
      refuse_type(row, element, "a prefix such as \"192.0.2.0/24\"");
    else
      errors_.add(begin_of(element), fmt::format("{}: {}", row.key, shown(prefix.error().message)));
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return prefixes;
}

std::optional<wire::Destination> ValueReader::read_destination(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  if (value && parse_address(value->get())) return read_address(row, node);
  if (value && wire::parse_host(value->get())) return read_host(row, node);
  return refuse_value(row, node, fmt::format("{}, or {}", address_wanted, host_wanted));
}

std::optional<wire::Destination> ValueReader::read_host(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  auto host = value ? wire::parse_host(value->get()) : Error{};
  if (!host) return refuse_value(row, node, host_wanted);
  return *std::move(host);
}

std::optional<Address> ValueReader::read_address(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  const auto address = value && std::none_of(value->get().begin(), value->get().end(), is_control)
                           ? parse_address(value->get())
                           : Error{};
  if (!address) return refuse_value(row, node, address_wanted);
  const auto reason =
      is_unspecified(*address) ? "the unspecified address, not that of a server" : unusable(*address);
  if (reason.empty()) return *address;
  errors_.add(begin_of(node), fmt::format("{}: \"{}\" is {}", row.key, value->get(), reason));
  return std::nullopt;
}

std::optional<double> ValueReader::read_weight(std::string_view of, const toml::node& node) {
  double weight = 0;
  if (const auto* integer = node.as_integer())
    weight = static_cast<double>(integer->get());
  else if (const auto* number = node.as_floating_point())
    weight = number->get();
  else {
    errors_.add(begin_of(node),
                fmt::format("the weight of {}: expected a number, got {}", shown(of), kind_of(node)));
    return std::nullopt;
  }
  const auto complaint = weight_complaint(of, weight);
  if (complaint.empty()) return weight;
  errors_.add(begin_of(node), complaint);
  return std::nullopt;
}

// What is probed in the endpoint's stead. False after an error.
bool ValueReader::read_probed(const KeyRow& row, const toml::table& table, Endpoint& endpoint) {
  auto named = row;  // for messages
  bool good = true;
  if (const auto* node = table.get("check_address")) {
    named.key = "check_address";
    endpoint.check_address = read_destination(named, *node);
    good = endpoint.check_address.has_value();
  }
  if (const auto* node = table.get("check_port")) {
    const auto& port = *find_key(Section::check, "port");
    named.key = "check_port";
    named.type = port.type;
    named.bounds = port.bounds;
    const auto number = read_integer(named, *node);
    if (number) endpoint.check_port = static_cast<std::uint16_t>(*number);
    good = good && number;
  }
  return good;
}

// "ADDRESS", "HOST", { address = "ADDRESS", weight = NUMBER } or { host = "HOST", weight = NUMBER }; a table
// may have check_address and check_port, too.
std::optional<Endpoint> ValueReader::read_endpoint(const KeyRow& row, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) {
    auto destination = read_destination(row, node);
    if (!destination) return std::nullopt;
    return Endpoint{.destination = *std::move(destination)};
  }
  static const std::vector<std::string> known{"address", "host", "weight", "check_address", "check_port"};
  for (const auto& [key, value] : *table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    const auto meant = hint(key.str(), known);
    errors_.add(begin_of(key),
                fmt::format("unknown key '{}' of an endpoint{}", shown(key.str()),
                            meant.empty() ? fmt::format("; known are {}", fmt::join(known, ", ")) : meant));
  }
  const auto* address_node = table->get("address");
  const auto* host_node = table->get("host");
  if (!address_node == !host_node) {
    errors_.add(begin_of(node), fmt::format("{}: an endpoint needs an address or a host{}", row.key,
                                            host_node ? ", and has one of them" : ""));
    return std::nullopt;
  }
  const auto destination = host_node ? read_host(row, *host_node) : read_address(row, *address_node);
  const auto* weight_node = table->get("weight");
  const auto weight = weight_node
                          ? read_weight(destination ? to_text(*destination) : "an endpoint", *weight_node)
                          : std::optional(1.0);
  Endpoint endpoint;
  const bool good = read_probed(row, *table, endpoint);
  if (!destination || !weight || !good) return std::nullopt;
  endpoint.destination = *destination;
  endpoint.weight = *weight;
  return endpoint;
}

std::optional<std::vector<Endpoint>> ValueReader::read_endpoints(const KeyRow& row, const toml::node& node) {
  const auto* array = elements(row, node, endpoints_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<Endpoint> endpoints;
  std::map<wire::Destination, Position> seen;
  bool alike = true;
  double sum = 0;
  for (const auto& element : *array) {
    const auto endpoint = read_endpoint(row, element);
    if (!endpoint) continue;
    const auto [first, is_new] = seen.try_emplace(endpoint->destination, begin_of(element));
    if (!is_new)
      errors_.add(begin_of(element),
                  fmt::format("{}: {} is given twice, first at {}:{}", row.key,
                              to_text(endpoint->destination), first->second.line, first->second.column));
    endpoints.push_back(*endpoint);
    // An answer is addresses or a CNAME (RFC 1034, 3.6.2). Said once: what follows may be a long list.
    const auto& front = endpoints.front().destination;
    if (alike && endpoint->destination.is_host() != front.is_host()) {
      alike = false;
      const auto& at = seen.at(front);
      errors_.add(begin_of(element),
                  fmt::format("{}: a pool has addresses or host names, not both; {} at {}:{} is {}", row.key,
                              to_text(front), at.line, at.column, front.is_host() ? "a host" : "an address"));
    }
    sum += endpoint->weight;
  }
  if (errors_.count() == errors_before) {
    if (const auto complaint = sum_complaint(sum); !complaint.empty())
      errors_.add(begin_of(node), fmt::format("{}: {}", row.key, complaint));
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return endpoints;
}

std::optional<std::vector<PoolWeight>> ValueReader::read_weights(const KeyRow& row, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) return refuse_type(row, node, expected(row));
  if (table->empty() || table->size() > steer_pools_max) {
    errors_.add(begin_of(node),
                fmt::format("{}: expected 1 to {} pools, got {}", row.key, steer_pools_max, table->size()));
    return std::nullopt;
  }
  const auto errors_before = errors_.count();
  std::vector<Located<PoolWeight>> located;
  for (const auto& [key, value] : *table) {
    const auto weight = read_weight(fmt::format("'{}'", key.str()), value);
    if (weight) located.push_back({{std::string(key.str()), *weight}, begin_of(key)});
  }
  // The library sorts tables by key; the slots are laid out in the order of the file.
  std::sort(located.begin(), located.end(), [](const auto& a, const auto& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  std::vector<PoolWeight> weights;
  for (auto& [weight, at] : located) weights.push_back(std::move(weight));
  if (errors_.count() != errors_before) return std::nullopt;
  if (const auto checked = check_weights(weights); !checked) {
    errors_.add(begin_of(node), fmt::format("{}: {}", row.key, checked.error().message));
    return std::nullopt;
  }
  return weights;
}

std::optional<std::vector<std::string>> ValueReader::read_names(const KeyRow& row, const toml::node& node,
                                                                std::size_t size_max,
                                                                std::string_view wanted) {
  const auto* array = elements(row, node, size_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<std::string> names;
  std::map<std::string, Position> seen;
  for (const auto& element : *array) {
    const auto* name = element.as_string();
    if (!name) {
      refuse_type(row, element, wanted);
      continue;
    }
    const auto [first, is_new] = seen.try_emplace(name->get(), begin_of(element));
    if (!is_new)
      errors_.add(begin_of(element),
                  fmt::format("{}: '{}' is given twice, first at {}:{}", row.key, shown(name->get()),
                              first->second.line, first->second.column));
    names.push_back(name->get());
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return names;
}

std::optional<std::vector<double>> ValueReader::read_steps(const KeyRow& row, const toml::node& node) {
  const auto* array = elements(row, node, rollout_steps_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<double> steps;
  for (const auto& element : *array) {
    const auto step = element.value<double>();
    if (!element.is_number() || !step || !(*step > 0 && *step <= 100))
      refuse_value(row, element, "a percentage above 0, and 100 at most");
    else if (!steps.empty() && *step <= steps.back())
      refuse_value(row, element, fmt::format("more than the step before, {}", steps.back()));
    else
      steps.push_back(*step);
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return steps;
}

std::optional<std::vector<FreezeWindow>> ValueReader::read_freeze(const KeyRow& row, const toml::node& node) {
  const auto* array = elements(row, node, freeze_windows_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<FreezeWindow> windows;
  for (const auto& element : *array) {
    const auto* text = element.as_string();
    if (!text) {
      refuse_type(row, element, "a window such as \"Fri 16:00 - Mon 08:00\"");
    } else if (auto window = parse_freeze_window(text->get())) {
      windows.push_back(*std::move(window));
    } else {
      errors_.add(begin_of(element), fmt::format("{}: {}", row.key, window.error().message));
    }
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return windows;
}

bool is_kind_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.ends_with(".*")) text.remove_suffix(2);
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '.'; });
}

std::optional<std::vector<std::string>> ValueReader::read_kinds(const KeyRow& row, const toml::node& node) {
  const auto* array = elements(row, node, kinds_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<std::string> kinds;
  for (const auto& element : *array) {
    const auto* kind = element.as_string();
    if (!kind || !is_kind_pattern(kind->get()))
      refuse_value(row, element, "a kind of events such as \"rollout.*\", \"endpoint.down\" or \"*\"");
    else
      kinds.push_back(kind->get());
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return kinds;
}

std::optional<std::vector<ClassRoute>> ValueReader::read_routes(const KeyRow& row, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) return refuse_type(row, node, expected(row));
  const auto errors_before = errors_.count();
  std::vector<ClassRoute> routes;
  for (const auto& [name, pool] : *table) {
    if (const auto* text = pool.as_string())
      routes.push_back({std::string(name.str()), text->get()});
    else
      refuse_type(row, pool, "the NAME of a section [pool.NAME]");
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return routes;
}

// 200, "200" or "200-399"
std::optional<StatusRange> ValueReader::read_status(const KeyRow& row, const toml::node& node) {
  std::optional<StatusRange> range;
  const auto in_bounds = [&](std::int64_t status) {
    return status >= to_integer(row.bounds->least) && status <= to_integer(row.bounds->most);
  };
  if (const auto* number = node.as_integer(); number && in_bounds(number->get())) {
    const auto status = static_cast<std::uint16_t>(number->get());
    range = StatusRange{status, status};
  } else if (const auto* text = node.as_string()) {
    range = parse_range(text->get());
    if (range && (!in_bounds(range->first) || !in_bounds(range->last))) range.reset();
  }
  if (!range)
    refuse_value(row, node,
                 fmt::format("a status such as 200 or a range such as \"200-399\" within {} to {}",
                             row.bounds->least, row.bounds->most));
  return range;
}

std::optional<std::vector<StatusRange>> ValueReader::read_statuses(const KeyRow& row,
                                                                   const toml::node& node) {
  std::vector<StatusRange> ranges;
  if (!node.is_array()) {
    const auto range = read_status(row, node);
    if (!range) return std::nullopt;
    return std::vector{*range};
  }
  const auto* array = elements(row, node, status_ranges_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  for (const auto& element : *array)
    if (const auto range = read_status(row, element)) ranges.push_back(*range);
  if (errors_.count() != errors_before) return std::nullopt;
  return ranges;
}

// The value is not repeated in messages: it may be a password.
std::optional<HeaderField> ValueReader::read_header(const KeyRow& row, const toml::key& name,
                                                    const toml::node& value) {
  const auto refuse = [&](Position at, std::string_view what) {
    errors_.add(at, fmt::format("{}: '{}': {}", row.key, shown(name.str()), what));
    return std::nullopt;
  };
  if (!is_token(name.str()))
    return refuse(begin_of(name), "expected the name of a header field such as Accept");
  if (const auto reason = ours(name.str()); !reason.empty()) return refuse(begin_of(name), reason);
  const auto* text = value.as_string();
  if (!text) return refuse(begin_of(value), fmt::format("expected a string, got {}", kind_of(value)));
  const std::string& content = text->get();
  if (content.size() > text_size_max)
    return refuse(begin_of(value), fmt::format("expected at most {} octets", text_size_max));
  if (std::any_of(content.begin(), content.end(), is_control))
    return refuse(begin_of(value), "expected a text without control characters");
  return HeaderField{std::string(name.str()), content};
}

std::optional<std::vector<HeaderField>> ValueReader::read_headers(const KeyRow& row, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) return refuse_type(row, node, expected(row));
  if (table->size() > headers_max) {
    errors_.add(begin_of(node),
                fmt::format("{}: expected at most {}, got {}", row.key, headers_max, table->size()));
    return std::nullopt;
  }
  const auto errors_before = errors_.count();
  std::vector<Located<HeaderField>> located;
  for (const auto& [name, value] : *table)
    if (auto field = read_header(row, name, value)) located.push_back({*std::move(field), begin_of(name)});
  // The library sorts tables by key; the request has the order of the file.
  std::sort(located.begin(), located.end(), [](const auto& a, const auto& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  std::vector<HeaderField> fields;
  std::map<std::string, Position> seen;
  for (auto& [field, at] : located) {
    const auto [first, is_new] = seen.try_emplace(in_lower_case(field.name), at);
    if (!is_new)
      errors_.add(at, fmt::format("{}: '{}' is given twice, first at {}:{}", row.key, field.name,
                                  first->second.line, first->second.column));
    fields.push_back(std::move(field));
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return fields;
}

// As with a secret.
std::optional<std::string> ValueReader::read_token(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  if (!value) return refuse_type(row, node, expected(row));
  auto token = parse_token(value->get());
  if (token) return *std::move(token);
  errors_.add(begin_of(node), fmt::format("{}: {}", row.key, token.error().message));
  return std::nullopt;
}

// What was given is not repeated: it is a secret, and the message may end up in a log.
std::optional<Secret> ValueReader::read_secret(const KeyRow& row, const toml::node& node) {
  const auto* value = node.as_string();
  if (!value) return refuse_type(row, node, expected(row));
  auto secret = parse_secret(value->get());
  if (secret) return *std::move(secret);
  errors_.add(begin_of(node), fmt::format("{}: {}", row.key, secret.error().message));
  return std::nullopt;
}

// "ADDRESS" or { address = "ADDRESS", key = "NAME" }
std::optional<ValueReader::Peer> ValueReader::read_peer(const KeyRow& row, const toml::node& node) {
  const auto* table = node.as_table();
  if (!table) return Peer{.address = &node, .key_node = nullptr, .key = {}};
  static const std::vector<std::string> known{"address", "key"};
  for (const auto& [key, value] : *table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    const auto meant = hint(key.str(), known);
    errors_.add(begin_of(key), fmt::format("unknown key '{}' in '{}'{}", shown(key.str()), row.key,
                                           meant.empty() ? "; known are address and key" : meant));
    return std::nullopt;
  }
  Peer peer{.address = table->get("address"), .key_node = table->get("key"), .key = {}};
  if (!peer.address && !peer.key_node) {
    errors_.add(begin_of(node), fmt::format("{}: a table needs an address or a key", row.key));
    return std::nullopt;
  }
  if (!peer.key_node) return peer;
  const auto* text = peer.key_node->as_string();
  const auto name = text ? wire::Name::parse(text->get()) : Result<wire::Name>(Error{});
  if (!name) return refuse_value(row, *peer.key_node, "the NAME of a section [key.\"NAME\"]");
  peer.key = *name;
  return peer;
}

std::optional<TransferRule> ValueReader::read_transfer(const KeyRow& row, const toml::node& node) {
  const auto peer = read_peer(row, node);
  if (!peer) return std::nullopt;
  TransferRule rule{.address = {}, .key = peer->key, .key_at = {}};
  if (peer->key_node) rule.key_at = begin_of(*peer->key_node);
  if (!peer->address) return rule;
  const auto* text = peer->address->as_string();
  if (!text || std::any_of(text->get().begin(), text->get().end(), is_control))
    return refuse_value(row, *peer->address,
                        "an address or prefix such as \"192.0.2.7\" or \"2001:db8::/32\"");
  const auto prefix = parse_prefix(text->get());
  if (!prefix) {
    errors_.add(begin_of(*peer->address), fmt::format("{}: {}", row.key, shown(prefix.error().message)));
    return std::nullopt;
  }
  if (const auto reason = unusable(prefix->address); !reason.empty()) {
    errors_.add(begin_of(*peer->address), fmt::format("{}: \"{}\" is {}", row.key, text->get(), reason));
    return std::nullopt;
  }
  rule.address = *prefix;
  return rule;
}

std::optional<std::vector<TransferRule>> ValueReader::read_transfers(const KeyRow& row,
                                                                     const toml::node& node) {
  const auto* array = elements(row, node, transfers_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<TransferRule> rules;
  for (const auto& element : *array)
    if (auto rule = read_transfer(row, element)) rules.push_back(*std::move(rule));
  if (errors_.count() != errors_before) return std::nullopt;
  return rules;
}

std::optional<NotifyTarget> ValueReader::read_notify(const KeyRow& row, const toml::node& node) {
  constexpr std::string_view wanted = "an address such as \"192.0.2.1\" or \"[2001:db8::1]:5353\"";
  const auto peer = read_peer(row, node);
  if (!peer) return std::nullopt;
  if (!peer->address) {
    errors_.add(begin_of(node), fmt::format("{}: expected {}, got none", row.key, wanted));
    return std::nullopt;
  }
  const auto* text = peer->address->as_string();
  if (!text || std::any_of(text->get().begin(), text->get().end(), is_control))
    return refuse_value(row, *peer->address, wanted);
  const auto address = parse_address(text->get());
  const auto with_port =
      address ? Result<SocketAddress>(SocketAddress{*address, dns_port}) : parse_socket_address(text->get());
  if (!with_port || with_port->port == 0) return refuse_value(row, *peer->address, wanted);
  const auto reason = is_unspecified(with_port->address) ? "the unspecified address, not that of a server"
                                                         : unusable(with_port->address);
  if (!reason.empty()) {
    errors_.add(begin_of(*peer->address), fmt::format("{}: \"{}\" is {}", row.key, text->get(), reason));
    return std::nullopt;
  }
  return NotifyTarget{.address = *with_port,
                      .key = peer->key,
                      .key_at = peer->key_node ? begin_of(*peer->key_node) : Position{}};
}

std::optional<std::vector<NotifyTarget>> ValueReader::read_notifies(const KeyRow& row,
                                                                    const toml::node& node) {
  const auto* array = elements(row, node, notifies_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<NotifyTarget> targets;
  std::map<SocketAddress, Position> seen;
  for (const auto& element : *array) {
    auto target = read_notify(row, element);
    if (!target) continue;
    const auto [first, is_new] = seen.try_emplace(target->address, begin_of(element));
    if (!is_new)
      errors_.add(begin_of(element),
                  fmt::format("{}: {} is given twice, first at {}:{}", row.key, to_text(target->address),
                              first->second.line, first->second.column));
    targets.push_back(*std::move(target));
  }
  if (errors_.count() != errors_before) return std::nullopt;
  return targets;
}

// An argument may have more than one line: a script, say.
std::optional<std::vector<std::string>> ValueReader::read_command(const KeyRow& row, const toml::node& node) {
  const auto* array = elements(row, node, command_parts_max);
  if (!array) return std::nullopt;
  const auto errors_before = errors_.count();
  std::vector<std::string> command;
  std::size_t size = 0;
  for (const auto& element : *array) {
    const auto* text = element.as_string();
    if (!text) {
      refuse_type(row, element, "a string");
    } else if (text->get().size() > text_size_max || text->get().find('\0') != std::string::npos) {
      refuse_value(row, element, fmt::format("at most {} octets, and none of them 0", text_size_max));
    } else {
      size += text->get().size();
      command.push_back(text->get());
    }
  }
  if (errors_.count() == errors_before && size > command_size_max)
    errors_.add(begin_of(node), fmt::format("{}: expected at most {} octets in all, got {}", row.key,
                                            command_size_max, size));
  if (errors_.count() == errors_before)
    if (const auto complaint = program_complaint(command.front()); !complaint.empty())
      errors_.add(begin_of(*array->get(0)), fmt::format("{}: {}", row.key, complaint));
  if (errors_.count() != errors_before) return std::nullopt;
  return command;
}

Result<std::string> parse_token(std::string_view text) {
  const auto refuse = [](std::string message) { return Error{ErrorCode::invalid, std::move(message)}; };
  if (text.empty()) return refuse("expected a token, got none");
  if (text.size() > token_size_max)
    return refuse(fmt::format("expected a token of at most {} octets, got {}", token_size_max, text.size()));
  const auto last = text.find_last_not_of('=');  // '=' is allowed at the end only
  const auto body = text.substr(0, last == text.npos ? 0 : last + 1);
  const bool fits = !body.empty() && std::all_of(body.begin(), body.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
  if (!fits) return refuse("expected a token of letters, digits and \"-._~+/\" (RFC 6750, 2.1)");
  return std::string(text);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Result<Secret> parse_secret(std::string_view text) {
  auto secret = parse_base64(text);
  if (!secret)
    return Error{ErrorCode::invalid, fmt::format("expected a secret in base64: {}", secret.error().message)};
  if (secret->empty()) return Error{ErrorCode::invalid, "expected a secret in base64, got none"};
  if (secret->size() > secret_size_max)
    return Error{ErrorCode::invalid, fmt::format("expected a secret of at most {} octets, got {}",
                                                 secret_size_max, secret->size())};
  return secret;
}

}  // namespace sluice::config
