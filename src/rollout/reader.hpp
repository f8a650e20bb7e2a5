// What records have in common: members of a JSON object as values.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_to.hpp>

#include "base/clock.hpp"

namespace sluice::rollout {

inline std::int64_t number(Time time) { return time.time_since_epoch().count(); }

// Reads members; throws what Boost.JSON throws when one is missing or of another kind.
struct Reader {
  const boost::json::object& members;

  template <class T>
  T get(const char* name) const {
    return boost::json::value_to<T>(members.at(name));
  }
  // The default in a record of before there was the like.
  template <class T>
  T get_or(const char* name, T otherwise) const {
    return members.contains(name) ? get<T>(name) : std::move(otherwise);
  }
  Duration duration(const char* name) const { return Duration(get<std::int64_t>(name)); }
  Time time(const char* name) const { return Time(duration(name)); }
  // None in a record of before there was the like.
  std::optional<Time> time_or_none(const char* name) const {
    return members.contains(name) ? std::optional(time(name)) : std::nullopt;
  }
  std::optional<double> number_or_none(const char* name) const {
    return members.at(name).is_null() ? std::nullopt : std::optional(get<double>(name));
  }
  // None in a record of before there was the like.
  template <class Read>
  auto all_of(const char* name, Read read) const {
    std::vector<decltype(read(std::declval<const Reader&>()))> all;
    if (const auto* parts = members.if_contains(name))
      for (const auto& part : parts->as_array()) all.push_back(read(Reader{part.as_object()}));
    return all;
  }
  template <class Values>
  auto one_of(const char* name, const Values& values) const {
    const auto text = get<std::string>(name);
    for (const auto value : values)
      if (text == to_text(value)) return value;
    throw std::invalid_argument(fmt::format("{} '{}' is not known", name, text));
  }
};

}  // namespace sluice::rollout
