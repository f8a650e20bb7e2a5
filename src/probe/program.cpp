#include "probe/program.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <string.h>

#include "base/text.hpp"

namespace sluice::probe {
namespace {

// ---- Messages
// --------------------------------------------------------------------------------------------------

enum class Kind : std::uint8_t { identity, run, started, reply };

class Writer {
 public:
  template <class Number>
  void number(Number value) {
    octets_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    octets_ += value;
  }
  void texts(const std::vector<std::string>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    for (const auto& value : values) text(value);
    fits_ = fits_ && values.size() <= program_texts_max;
  }
  void numbers(const std::vector<std::uint32_t>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    for (const auto value : values) number(value);
    fits_ = fits_ && values.size() <= groups_max;
  }
  std::optional<std::string> take() {
    if (!fits_ || octets_.size() > message_size_max) return std::nullopt;
    return std::move(octets_);
  }

 private:
  std::string octets_;
  bool fits_ = true;
};

// After the first thing that is not there, all else is empty.
class Reader {
 public:
  explicit Reader(std::string_view octets) : rest_(octets) {}

  template <class Number>
  Number number() {
    Number value{};
    const auto octets = take(sizeof value);
    if (!octets.empty()) std::memcpy(&value, octets.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number<std::uint32_t>())); }
  std::vector<std::string> texts() {
    std::vector<std::string> values(count(program_texts_max));
    for (auto& value : values) value = text();
    return values;
  }
  std::vector<std::uint32_t> numbers() {
    std::vector<std::uint32_t> values(count(groups_max));
    for (auto& value : values) value = number<std::uint32_t>();
    return values;
  }
  // Whether there was all that was read, and nothing is left.
  bool finished() const { return sound_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    sound_ = sound_ && size <= rest_.size();
    if (!sound_) return {};
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::size_t count(std::size_t most) {
    const std::size_t value = number<std::uint32_t>();
    sound_ = sound_ && value <= most;
    return sound_ ? value : 0;
  }

  std::string_view rest_;
  bool sound_ = true;
};

struct Encoder {
  Writer& writer;

  void operator()(const Identity& identity) {
    writer.number(Kind::identity);
    writer.number(identity.user);
    writer.number(identity.group);
    writer.numbers(identity.groups);
  }
  void operator()(const RunRequest& request) {
    writer.number(Kind::run);
    writer.number(request.id);
    writer.number(static_cast<std::int64_t>(request.program.timeout.count()));
    writer.texts(request.program.arguments);
    writer.texts(request.program.environment);
  }
  void operator()(const Started&) { writer.number(Kind::started); }
  void operator()(const RunReply& reply) {
    writer.number(Kind::reply);
    writer.number(reply.id);
    writer.number(reply.end.ending);
    writer.number(static_cast<std::int32_t>(reply.end.code));
    writer.number(static_cast<std::int64_t>(reply.end.took.count()));
    writer.text(reply.end.output);
  }
};

// The members of a braced list are read in their order (C++20, 9.4.5).
std::optional<Message> read_message(Reader& reader) {
  switch (reader.number<Kind>()) {
    case Kind::identity:
      return Identity{reader.number<std::uint32_t>(), reader.number<std::uint32_t>(), reader.numbers()};
    case Kind::run: {
      RunRequest request;
      request.id = reader.number<std::uint64_t>();
      request.program.timeout = Duration(reader.number<std::int64_t>());
      request.program.arguments = reader.texts();
      request.program.environment = reader.texts();
      if (request.program.arguments.empty() || request.program.timeout <= Duration::zero())
        return std::nullopt;
      return request;
    }
    case Kind::started:
      return Started{};
    case Kind::reply: {
      RunReply reply;
      reply.id = reader.number<std::uint64_t>();
      reply.end.ending = reader.number<Ending>();
      reply.end.code = reader.number<std::int32_t>();
      reply.end.took = Duration(reader.number<std::int64_t>());
      reply.end.output = reader.text();
      if (reply.end.ending > Ending::lost || reply.end.output.size() > output_size_max) return std::nullopt;
      return reply;
    }
  }
  return std::nullopt;
}

// ---- Deciding
// --------------------------------------------------------------------------------------------------

// Failures of this machine, whatever the program is.
bool is_own(int failure) {
  constexpr int own[] = {EAGAIN, ENOMEM, EMFILE, ENFILE};
  return std::find(std::begin(own), std::end(own), failure) != std::end(own);
}

std::string text_of(int failure) { return std::generic_category().message(failure); }

std::string_view first_line(std::string_view output) {
  const auto begin = output.find_first_not_of("\r\n\t ");
  if (begin == std::string_view::npos) return {};
  return output.substr(begin, output.find('\n', begin) - begin);
}

std::string with_output(std::string what, std::string_view output) {
  const auto line = printable(first_line(output), shown_output_size_max);
  return line.empty() ? what : fmt::format("{}: {}", what, line);
}

}  // namespace

std::optional<std::string> encode(const Message& message) {
  Writer writer;
  std::visit(Encoder{writer}, message);
  return writer.take();
}

std::optional<Message> decode(std::string_view octets) {
  if (octets.size() > message_size_max) return std::nullopt;
  Reader reader(octets);
  auto message = read_message(reader);
  return reader.finished() ? message : std::nullopt;
}

Program program_of(const Target& target) {
  const auto& [destination, check] = target;
  auto address = to_text(destination);
  if (destination.is_host()) address.pop_back();  // the final dot, which most programs do not expect
  Program program{check.command, {"SLUICE_ADDRESS=" + address, "SLUICE_CHECK=" + check.name}, check.timeout};
  if (check.port != 0) program.environment.push_back(fmt::format("SLUICE_PORT={}", check.port));
  return program;
}

Result<health::ProbeResult> judge(const config::Check& check, const ProgramEnd& end, bool lost_before) {
  const auto result = [&](bool success, std::string what) {
    return health::ProbeResult{success, with_output(std::move(what), end.output), end.took};
  };
  switch (end.ending) {
    case Ending::exited:
      return result(end.code == 0, fmt::format("exit status {}", end.code));
    case Ending::killed:
      return result(false, fmt::format("killed by signal {} ({})", end.code, ::strsignal(end.code)));
    case Ending::timed_out:
      return result(false, fmt::format("timeout after {}", to_text(check.timeout)));
    case Ending::not_started:
      if (is_own(end.code))
        return Error{ErrorCode::unavailable, fmt::format("cannot start a program: {}", text_of(end.code))};
      return result(false, fmt::format("cannot be started: {}", text_of(end.code)));
    case Ending::lost:
      if (lost_before) return result(false, "the program ended its supervisor");
      break;
  }
  return Error{ErrorCode::unavailable, "the process that watched the program was killed"};
}

}  // namespace sluice::probe
