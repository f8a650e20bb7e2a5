// Indented JSON: two blanks a level, empty containers on one line.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "render.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

void write(const json::value& value, std::size_t depth, std::string& out) {
  const std::string inner(2 * depth + 2, ' '), outer(2 * depth, ' ');
  const char* separator = "\n";
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += '{';
    for (const auto& [key, element] : *object) {
      out += separator + inner + json::serialize(key) + ": ";
      write(element, depth + 1, out);
      separator = ",\n";
    }
    out += "\n" + outer + "}";
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += '[';
    for (const auto& element : *array) {
      out += separator + inner;
      write(element, depth + 1, out);
      separator = ",\n";
    }
    out += "\n" + outer + "]";
  } else if (value.is_double()) {
    out += fmt::format("{}", value.get_double());  // 0.95, where Boost.JSON writes 9.5E-1
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  write(value, 0, out);
  return out + "\n";
}

}  // namespace sluice::ctl
