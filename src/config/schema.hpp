// What may stand in sluice.toml. One row a key: it feeds the parser, the unknown-key error, the defaults and
// the reference (config::explain). A new key is a row in schema.cpp and a member of a struct in config.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace sluice::config {

enum class Section : std::uint8_t {
  server,
  admin,
  cookies,
  rate_limit,
  tcp,
  tls,
  zone,
  key,
  check,
  analysis,
  notify,
  hook,
  rollout,
  safety,
  pool,
  client_class,
  steer
};

struct SectionRow {
  Section section;
  std::string_view name;
  std::string_view header;  // as the reference shows it
  bool named;               // [section.NAME], any number of them; otherwise [section], at most once
  bool required;            // at least once
  std::string_view doc;
};

// How a value is written, and so which alternative of Value it becomes.
enum class Type : std::uint8_t {
  text,            // std::string
  path,            // std::string, resolved against the folder of the config
  boolean,         // bool
  integer,         // std::int64_t
  duration,        // Duration
  whole_seconds,   // Duration
  percent,         // double, a part of 1
  number,          // double
  choice,          // Choice
  listener,        // SocketAddress
  listeners,       // std::vector<Located<SocketAddress>>
  prefixes,        // std::vector<Prefix>; few of them
  class_prefixes,  // std::vector<Prefix>; many
  destination,     // wire::Destination
  endpoints,       // std::vector<Endpoint>
  weights,         // std::vector<PoolWeight>
  pools,           // std::vector<std::string>
  routes,          // std::vector<ClassRoute>
  analyses,        // std::vector<std::string>
  steps,           // std::vector<double>
  freeze,          // std::vector<FreezeWindow>
  statuses,        // std::vector<StatusRange>
  headers,         // std::vector<HeaderField>
  secret,          // Secret; never shown in messages
  token,           // std::string; never shown in messages
  transfers,       // std::vector<TransferRule>
  notifies,        // std::vector<NotifyTarget>
  command,         // std::vector<std::string>: a program and its arguments
  kinds,           // std::vector<std::string>: of events
};

struct Choice {
  std::size_t index;  // into KeyRow::choices
};

template <class T>
struct Located {
  T value;
  Position at;
};

using Secret = std::vector<std::uint8_t>;

using Value =
    std::variant<std::string, bool, std::int64_t, double, Duration, Choice, SocketAddress, wire::Destination,
                 std::vector<HeaderField>, std::vector<Located<SocketAddress>>, std::vector<Prefix>,
                 std::vector<Endpoint>, std::vector<PoolWeight>, std::vector<ClassRoute>,
                 std::vector<StatusRange>, Secret, std::vector<TransferRule>, std::vector<NotifyTarget>,
                 std::vector<std::string>, std::vector<double>, std::vector<FreezeWindow>>;

// The struct that the keys of a section go to.
using Target = std::variant<Server*, Admin*, Cookies*, RateLimit*, Tcp*, Tls*, Zone*, Key*, Check*, Analysis*,
                            Receiver*, Hook*, Preset*, Safety*, Pool*, ClientClass*, Steer*>;

// Both ends are allowed values, written as in the config.
struct Bounds {
  std::string_view least, most;
};

struct KeyRow {
  Section section;
  std::string_view key;
  Type type;
  bool required = false;
  std::string_view fallback{};     // the value of an absent key, as TOML; empty: what `derived` says
  std::string_view derived{};      // in words, where the default follows from other keys
  std::optional<Bounds> bounds{};  // integer, duration, percent, number
  std::string_view unit{};         // of an integer
  std::span<const std::string_view> choices{};  // in the order of the enum
  std::span<const std::string_view> planned{};  // choices that we know and do not have yet
  std::span<const std::string_view>
      only_for{};  // checks, analyses: the types that the key belongs to; empty: all
  std::string_view (*complaint)(std::string_view text) =
      nullptr;  // texts: what was expected; empty: all is well
  std::string_view doc;
  void (*set)(Target target, Value&& value, Position at);
};

std::span<const SectionRow> section_rows();
std::span<const KeyRow> key_rows();

const SectionRow& row_of(Section section);
const KeyRow* find_key(Section section, std::string_view key);

// "check.interval"
std::string full_name(const KeyRow& row);

// "a duration such as "2s"": what a value has to be, for messages.
std::string expected(const KeyRow& row);

// ""tcp" or "http""
std::string either_of(std::span<const std::string_view> choices);

}  // namespace sluice::config
