// The reading half of the loader: files, directives and the front of records (owner, TTL, class, type). The
// words of an entry come from master_text.hpp, its rdata goes to record_parser.hpp, the tree is made by
// compiler.hpp.
#include <algorithm>
#include <filesystem>
#include <future>
#include <optional>

#include <fmt/format.h>

#include "base/file.hpp"
#include "zone/compiler.hpp"
#include "zone/generate.hpp"
#include "zone/master_text.hpp"
#include "zone/pieces.hpp"
#include "zone/record_parser.hpp"
#include "zone/records.hpp"
#include "zone/zone.hpp"

namespace sluice::zone {
namespace {

using wire::Name;
using wire::RrType;

constexpr std::uint32_t ttl_max = 0x7FFFFFFF;                // RFC 2181, 8
constexpr unsigned include_depth_max = 8;                    // a file that includes itself ends here
constexpr unsigned includes_max = 1000;                      // of one zone; and one that does so twice, here
constexpr std::size_t file_size_max = std::size_t{1} << 30;  // lines and columns are counted in 32 bits

std::string_view without_quotes(const Token& token) {
  return token.quoted() ? token.text.substr(1, token.text.size() - 2) : token.text;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, {}, [](char c) { return wire::lower(static_cast<std::uint8_t>(c)); },
      [](char c) { return wire::lower(static_cast<std::uint8_t>(c)); });
}

// Whether the name ends with a dot that is no part of its last label.
bool is_absolute(std::string_view text) {
  if (!text.ends_with('.')) return false;
  text.remove_suffix(1);
  std::size_t backslashes = 0;
  for (; text.ends_with('\\'); text.remove_suffix(1)) ++backslashes;
  return backslashes % 2 == 0;
}

Result<Name> read_name(const Token& token, const Name& origin) {
  if (token.quoted() || has_inner_quote(token.text))
    return Error{ErrorCode::invalid, "expected a domain name, found a quoted text"};
  if (token.text == "@") return origin;
  auto name = Name::parse(token.text);
  if (!name || is_absolute(token.text)) return name;
  std::array<std::uint8_t, 2 * wire::name_size_max> octets;
  const auto front = name->wire().first(name->wire().size() - 1), back = origin.wire();
  std::ranges::copy(back, std::ranges::copy(front, octets.begin()).out);
  const auto size = front.size() + back.size();
  if (size > wire::name_size_max)
    return Error{ErrorCode::invalid,
                 fmt::format("with the origin '{}' the name is longer than 255 octets (RFC 1035, 2.3.4)",
                             origin.text())};
  return Name::from_wire({octets.data(), size});
}

enum class ClassWord : std::uint8_t { none, in, other };

ClassWord class_word(std::string_view text) {
  if (equals_ignoring_case(text, "IN") || equals_ignoring_case(text, "CLASS1")) return ClassWord::in;
  for (const std::string_view other : {"CH", "HS", "CS"})
    if (equals_ignoring_case(text, other)) return ClassWord::other;
  const bool number = text.size() > 5 && equals_ignoring_case(text.substr(0, 5), "CLASS");
  return number ? ClassWord::other : ClassWord::none;
}

// RFC 6895, 3.1: 128 to 255 are for questions and transactions, 0 and 65535 are reserved, OPT is for EDNS.
bool is_meta(RrType type) {
  const auto number = static_cast<unsigned>(type);
  return number == 0 || number == 65535 || type == RrType::opt || (number >= 128 && number <= 255);
}

// What stands between the owner and the rdata.
struct Front {
  std::optional<std::uint32_t> ttl;
  RrType type{};
  Token type_token;
  std::span<const Token> rdata;
};

class Loader {
 public:
  Loader(const Name& apex, Records& records, ErrorList& errors)
      : records_(records), errors_(errors), origin_(apex) {
    parser_.set_origin(origin_);
  }

  // Where the records that are read now come from.
  struct Source {
    std::string file;
    std::uint32_t number;  // in Records::files
    unsigned depth;
  };

  // One that goes on where `before` stands now, with records and errors of its own.
  Loader(const Loader& before, Records& records, ErrorList& errors)
      : records_(records),
        errors_(errors),
        origin_(before.origin_),
        default_ttl_(before.default_ttl_),
        last_ttl_(before.last_ttl_) {
    parser_.set_origin(origin_);
  }

  // A file that is read from now on.
  Source open(const std::string& file, unsigned depth);

  // Returns the number of lines.
  std::uint32_t read_text(std::string_view text, const Source& source);

  // Whether a record's TTL no longer depends on the record before.
  bool has_default_ttl() const { return default_ttl_.has_value(); }

 private:
  void read_entry(const Entry& entry, const Source& source);
  void read_directive(std::span<const Token> words, const Source& source);
  void read_origin(std::span<const Token> words, const Source& source);
  void read_default_ttl(std::span<const Token> words, const Source& source);
  void read_include(std::span<const Token> words, const Source& source);
  void include(const Token& word, const Name& origin, const Source& source);
  void read_generate(std::span<const Token> words, const Source& source);
  void read_record(std::span<const Token> words, bool owner_omitted, const Source& source);
  bool read_owner(const Token& word, bool omitted, const Source& source);
  std::optional<Problem> read_front(std::span<const Token> words, const Token& before, Front& front);
  std::optional<std::uint32_t> choose_ttl(const Front& front, wire::Bytes rdata);
  void note_loss(RrType type);
  void note_loss();
  void set_origin(const Name& origin);
  void report(const Source& source, Position at, std::string message) {
    errors_.add(source.file, at, std::move(message));
  }

  // The owner of the record before. Unknown: there was one, but it could not be read.
  enum class OwnerState : std::uint8_t { none, known, unknown };
  struct Owner {
    OwnerState state = OwnerState::none;
    std::size_t offset = 0;
    std::uint8_t size = 0;
  };

  Records& records_;
  ErrorList& errors_;
  RecordParser parser_;
  Name origin_;
  Owner owner_;
  std::optional<std::uint32_t> default_ttl_;  // $TTL
  std::optional<std::uint32_t> last_ttl_;
  unsigned includes_ = 0;
};

Loader::Source Loader::open(const std::string& file, unsigned depth) {
  records_.files.push_back(file);
  return {file, static_cast<std::uint32_t>(records_.files.size() - 1), depth};
}

std::uint32_t Loader::read_text(std::string_view text, const Source& source) {
  EntryReader reader(text);
  for (Entry entry;;) {
    const auto step = reader.next(entry);
    if (step == EntryReader::Step::end) break;
    if (step == EntryReader::Step::entry) read_entry(entry, source);
    if (step == EntryReader::Step::problem) report(source, reader.problem().at, reader.problem().message);
  }
  if (reader.lost_records()) note_loss();
  return reader.lines();
}

void Loader::read_entry(const Entry& entry, const Source& source) {
  const std::span<const Token> words = entry.tokens;
  if (!entry.owner_omitted && words[0].text.starts_with('$')) {
    read_directive(words, source);
  } else {
    read_record(words, entry.owner_omitted, source);
  }
}

void Loader::read_directive(std::span<const Token> words, const Source& source) {
  const auto is = [&](std::string_view name) { return equals_ignoring_case(words[0].text, name); };
  if (is("$ORIGIN")) return read_origin(words, source);
  if (is("$TTL")) return read_default_ttl(words, source);
  if (is("$INCLUDE")) return read_include(words, source);
  if (is("$GENERATE")) return read_generate(words, source);
  report(source, words[0].at, "unknown directive: expected $ORIGIN, $TTL, $INCLUDE or $GENERATE");
}

void Loader::read_origin(std::span<const Token> words, const Source& source) {
  if (words.size() != 2)
    return report(source, words[words.size() > 2 ? 2 : 0].at, "$ORIGIN needs one domain name");
  const auto origin = read_name(words[1], origin_);
  if (!origin) return report(source, words[1].at, origin.error().message);
  set_origin(*origin);
}

void Loader::read_default_ttl(std::span<const Token> words, const Source& source) {
  if (words.size() != 2)
    return report(source, words[words.size() > 2 ? 2 : 0].at, "$TTL needs one number of seconds");
  const auto ttl = parse_period(words[1].text, ttl_max);
  // Whatever it was meant to be: the records after it have one.
  default_ttl_ = ttl.value_or(0);
  if (!ttl)
    report(source, words[1].at, "not a TTL: expected a number of seconds from 0 to 2147483647 (RFC 2181, 8)");
}

void Loader::read_include(std::span<const Token> words, const Source& source) {
  if (words.size() < 2 || words.size() > 3) {
    note_loss();
    return report(source, words[words.size() > 3 ? 3 : 0].at,
                  "$INCLUDE needs a file name, and takes an origin");
  }
  const auto origin = words.size() == 3 ? read_name(words[2], origin_) : Result<Name>(origin_);
  if (!origin) {
    note_loss();
    return report(source, words[2].at, origin.error().message);
  }
  include(words[1], *origin, source);
}

void Loader::include(const Token& word, const Name& origin, const Source& source) {
  const auto fail = [&](std::string message) {
    note_loss();
    report(source, word.at, std::move(message));
  };
  if (source.depth == include_depth_max)
    return fail(fmt::format("$INCLUDE is nested deeper than {} files", include_depth_max));
  if (++includes_ > includes_max) return fail(fmt::format("more than {} $INCLUDEs", includes_max));
  const auto path = (std::filesystem::path(source.file).parent_path() / without_quotes(word)).string();
  const auto text = read_file(path, file_size_max);
  if (!text) return fail(fmt::format("'{}': {}", path, text.error().message));

  // RFC 1035, 5.1: what the included file does to the origin ends with it. The same for the owner.
  const auto origin_before = origin_;
  const auto owner_before = owner_;
  set_origin(origin);
  read_text(*text, open(path, source.depth + 1));
  set_origin(origin_before);
  owner_ = owner_before;
}

void Loader::read_generate(std::span<const Token> words, const Source& source) {
  if (words.size() < 4)
    return report(source, words[0].at, "$GENERATE needs a range, an owner, a type and its rdata");
  const auto range = parse_generate_range(words[1].text);
  if (!range) return report(source, words[1].at, range.error().message);
  const auto parts = words.subspan(2);
  std::vector<std::string> texts(parts.size());
  std::vector<Token> tokens(parts.begin(), parts.end());
  for (std::uint64_t number = range->start; number <= range->stop; number += range->step) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto text = expand_generate(parts[i].text, static_cast<std::uint32_t>(number));
      if (!text) return report(source, parts[i].at, text.error().message);
      texts[i] = std::move(*text);
      tokens[i].text = texts[i];
    }
    const auto reported = errors_.count();
    read_record(tokens, false, source);
    if (errors_.count() != reported) return;  // the others would say the same
  }
}

void Loader::read_record(std::span<const Token> words, bool owner_omitted, const Source& source) {
  const bool has_owner = read_owner(words[0], owner_omitted, source);
  Front front;
  const auto rest = owner_omitted ? words : words.subspan(1);
  if (auto problem = read_front(rest, words[0], front)) return report(source, problem->at, problem->message);
  const auto start = records_.rdata.size();
  auto problem = parser_.rdata(front.type, front.type_token, front.rdata, records_.rdata);
  const auto data = wire::Bytes(records_.rdata).subspan(start);
  const auto ttl = problem ? std::nullopt : choose_ttl(front, data);
  if (!problem && !ttl)
    problem = {words[0].at, "no TTL: expected one here, in a record before, or by $TTL (RFC 2308, 4)"};
  if (problem) report(source, problem->at, problem->message);
  if (problem || !has_owner) {
    records_.rdata.resize(start);
    return note_loss(front.type);
  }
  records_.list.push_back({owner_.offset, start, *ttl, front.type, static_cast<std::uint16_t>(data.size()),
                           owner_.size, source.number, words[0].at});
}

bool Loader::read_owner(const Token& word, bool omitted, const Source& source) {
  if (omitted) {
    if (owner_.state == OwnerState::none)
      report(source, word.at,
             "no owner: expected a name in the first column, as no record stands before this one");
    return owner_.state == OwnerState::known;
  }
  const auto name = read_name(word, origin_);
  if (!name) {
    owner_.state = OwnerState::unknown;
    report(source, word.at, name.error().message);
    return false;
  }
  const auto octets = name->wire();
  const auto before = wire::Bytes(records_.names).subspan(owner_.offset, owner_.size);
  owner_.state = OwnerState::known;
  if (std::ranges::equal(before, octets)) return true;
  owner_.offset = records_.names.size();
  owner_.size = static_cast<std::uint8_t>(octets.size());
  records_.names.insert(records_.names.end(), octets.begin(), octets.end());
  return true;
}

// RFC 1035, 5.1: the TTL and the class in either order, both optional, then the type. No type begins with a
// digit.
std::optional<Problem> Loader::read_front(std::span<const Token> words, const Token& before, Front& front) {
  std::size_t i = 0;
  bool has_class = false;
  for (; i < words.size(); ++i) {
    const auto& word = words[i];
    const auto class_found = class_word(word.text);
    if (class_found == ClassWord::other)
      return Problem{word.at, "expected class IN, the only one that is served"};
    if (class_found == ClassWord::in && !has_class) {
      has_class = true;
    } else if (word.text[0] >= '0' && word.text[0] <= '9' && !front.ttl) {
      front.ttl = parse_period(word.text, ttl_max);
      if (!front.ttl)
        return Problem{word.at, "not a TTL: expected a number of seconds from 0 to 2147483647 (RFC 2181, 8)"};
    } else {
      break;
    }
  }
  if (i == words.size())
    return Problem{(i == 0 ? before : words[i - 1]).at, "the record ends before its type"};
  const auto type = parser_.type(words[i].text);
  if (!type)
    return Problem{words[i].at, "unknown record type: expected one like A, MX or TYPE65280 (RFC 3597, 5)"};
  if (is_meta(*type))
    return Problem{words[i].at,
                   fmt::format("type {} cannot stand in a zone: it is for messages only (RFC 6895, 3.1)",
                               words[i].text)};
  front.type = *type;
  front.type_token = words[i];
  front.rdata = words.subspan(i + 1);
  return {};
}

// RFC 2308, 4: the record's own, else $TTL's; without $TTL the last one that was given (RFC 1035, 5.1), and
// for the SOA record that begins the file its MINIMUM, as other servers do.
std::optional<std::uint32_t> Loader::choose_ttl(const Front& front, wire::Bytes rdata) {
  auto ttl = front.ttl ? front.ttl : default_ttl_ ? default_ttl_ : last_ttl_;
  if (!ttl && front.type == RrType::soa) {
    std::uint32_t minimum = 0;
    for (const auto octet : rdata.last(4)) minimum = minimum << 8 | octet;
    ttl = std::min(minimum, ttl_max);
  }
  last_ttl_ = ttl;
  return ttl;
}

void Loader::note_loss(RrType type) {
  records_.lost_soa |= type == RrType::soa;
  records_.lost_ns |= type == RrType::ns;
}

void Loader::note_loss() { records_.lost_soa = records_.lost_ns = true; }

void Loader::set_origin(const Name& origin) {
  origin_ = origin;
  parser_.set_origin(origin);
}

// What a piece of a file came to. Its lines are counted from its own first one.
struct PieceRead {
  Records records;
  ErrorList errors;
  std::uint32_t lines = 0;
};

// Takes the piece's errors. `line`: how many stand before the piece.
void append(PieceRead& piece, std::uint32_t line, Records& records, ErrorList& errors) {
  for (auto record : piece.records.list) {
    record.owner += records.names.size();
    record.rdata += records.rdata.size();
    record.at.line += line;
    records.list.push_back(record);
  }
  records.names.insert(records.names.end(), piece.records.names.begin(), piece.records.names.end());
  records.rdata.insert(records.rdata.end(), piece.records.rdata.begin(), piece.records.rdata.end());
  records.lost_soa |= piece.records.lost_soa;
  records.lost_ns |= piece.records.lost_ns;
  for (auto& error : piece.errors.take()) {
    error.at.line += line;
    errors.add(std::move(error.file), error.at, std::move(error.message));
  }
}

void read_all(std::string_view text, const std::string& file, const Name& apex, unsigned cores,
              Records& records, ErrorList& errors) {
  Loader loader(apex, records, errors);
  auto pieces = cut(text, cores);
  const auto source = loader.open(file, 0);
  auto lines = loader.read_text(pieces.front(), source);
  if (pieces.size() > 1 && !loader.has_default_ttl())
    pieces = {pieces.front(), text.substr(pieces.front().size())};
  // Deferred: read by us, when the system has no thread left.
  constexpr auto policy = std::launch::async | std::launch::deferred;
  std::vector<std::future<PieceRead>> reads;
  for (const auto piece : std::span(pieces).subspan(1))
    reads.push_back(std::async(policy, [&loader, &source, piece] {
      PieceRead read;
      read.lines = Loader(loader, read.records, read.errors).read_text(piece, source);
      return read;
    }));
  for (auto& read : reads) {
    auto piece = read.get();
    append(piece, lines, records, errors);
    lines += piece.lines;
  }
}

}  // namespace

LoadResult load(const std::string& file, const Name& apex, std::span<const Steered> steered, unsigned cores) {
  const auto text = read_file(file, file_size_max);
  if (!text) return {nullptr, {Diagnostic{file, {}, text.error().message}}};
  return load_text(*text, file, apex, steered, cores);
}

LoadResult load_text(std::string_view text, const std::string& file, const Name& apex,
                     std::span<const Steered> steered, unsigned cores) {
  Records records;
  ErrorList errors;
  read_all(text, file, apex, cores, records, errors);
  auto zone = compile(records, apex, steered, errors);
  return {errors.empty() ? std::move(zone) : nullptr, errors.take()};
}

}  // namespace sluice::zone
