#include "store/sqlite.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sluice::store {
namespace {

constexpr int primary_code_mask = 0xFF;  // the upper bits of an extended code say more, but nobody acts on it

[[noreturn]] void fail(sqlite3* database, int code) {
  if (database == nullptr) throw Failure{code & primary_code_mask, sqlite3_errstr(code)};
  std::string reason = sqlite3_errmsg(database);
  const bool from_system =
      (code & primary_code_mask) == SQLITE_IOERR || (code & primary_code_mask) == SQLITE_CANTOPEN;
  if (const int number = sqlite3_system_errno(database); from_system && number != 0)
    reason += fmt::format(" ({})", std::generic_category().message(number));
  throw Failure{code & primary_code_mask, std::move(reason)};
}

// --- the log's file ---

thread_local const std::function<void()>* when_written = nullptr;
thread_local bool has_pages = false;  // not only the log's head, which is synced when the log begins anew

struct LogMethods {
  const sqlite3_io_methods* plain;  // SQLite's own; all its files on disk that it does not lock have the same
  sqlite3_io_methods watched;
};

// `log` has SQLite's own when this is called first.
const LogMethods& log_methods(const sqlite3_file* log);

int write_and_note(sqlite3_file* log, const void* octets, int size, sqlite3_int64 at) {
  if (at > 0) has_pages = true;
  return log_methods(log).plain->xWrite(log, octets, size, at);
}

int tell_and_sync(sqlite3_file* log, int flags) noexcept {
  if (has_pages && when_written != nullptr && *when_written) (*std::exchange(when_written, nullptr))();
  return log_methods(log).plain->xSync(log, flags);
}

LogMethods watch(const sqlite3_io_methods* plain) {
  LogMethods methods{plain, *plain};
  methods.watched.xWrite = write_and_note;
  methods.watched.xSync = tell_and_sync;
  return methods;
}

const LogMethods& log_methods(const sqlite3_file* log) {
  static const LogMethods methods = watch(log->pMethods);
  return methods;
}

sqlite3_file* log_of(const Database& database) {
  sqlite3_file* log = nullptr;
  sqlite3_file_control(database.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  return log == nullptr || log->pMethods == nullptr ? nullptr : log;
}

// For another program that holds the database for a moment. The control thread waits, and decides nothing
// meanwhile.
constexpr int busy_wait_ms = 200;

}  // namespace

void wait_when_busy(const Database& database, bool wait) {
  sqlite3_busy_timeout(database.get(), wait ? busy_wait_ms : 0);
}

Database open_database(const std::string& path) {
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  Database database(opened);
  if (code != SQLITE_OK) fail(opened, code);
  wait_when_busy(database, true);
  return database;
}

void lengthen_log(const Database& database, std::int64_t octets) {
  auto* log = log_of(database);
  if (log == nullptr) return;
  sqlite3_int64 size = 0;
  if (log->pMethods->xFileSize(log, &size) != SQLITE_OK) return;
  constexpr std::array<std::uint8_t, 1U << 16> zeros{};  // SQLite writes no 128 KiB at once
  for (auto at = size; at < octets;) {
    const auto count = std::min<sqlite3_int64>(octets - at, static_cast<sqlite3_int64>(zeros.size()));
    if (log->pMethods->xWrite(log, zeros.data(), static_cast<int>(count), at) != SQLITE_OK) {
      log->pMethods->xTruncate(log, size);
      return;
    }
    at += count;
  }
  log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
}

void watch_log(const Database& database) {
  auto* log = log_of(database);
  if (log == nullptr) return;
  const auto& methods = log_methods(log);
  if (log->pMethods == methods.plain) log->pMethods = &methods.watched;
}

WhenWritten::WhenWritten(const std::function<void()>& written) {
  when_written = &written;
  has_pages = false;
}

WhenWritten::~WhenWritten() { when_written = nullptr; }

Statement::Statement(const Database& database, std::string_view sql, Bare) : database_(database) {
  // Some pragmas act when they are prepared, and only then.
  if (!sql.starts_with("PRAGMA")) place_ = &database.prepared_.try_emplace(std::string(sql)).first->second;
  if (place_ != nullptr) statement_ = std::move(*place_);
  if (statement_) return;
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(database.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  statement_.reset(prepared);
  check(code);
}

Statement::~Statement() {
  if (place_ == nullptr || !statement_) return;
  sqlite3_reset(statement_.get());  // says again what the last step said
  sqlite3_clear_bindings(statement_.get());
  *place_ = std::move(statement_);
}

bool Statement::next() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail(database_.get(), code);
  return code == SQLITE_ROW;
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string Statement::text(int column) const {
  // A blob is read as it is, and a text comes in UTF-8 already: nothing is converted between the two calls.
  const void* octets = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return octets == nullptr ? std::string()
                           : std::string(static_cast<const char*>(octets), static_cast<std::size_t>(size));
}

void Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index, value));
}

void Statement::bind(int index, const std::optional<std::int64_t>& value) {
  value ? bind(index, *value) : check(sqlite3_bind_null(statement_.get(), index));
}

void Statement::bind(int index, double value) { check(sqlite3_bind_double(statement_.get(), index, value)); }

void Statement::bind(int index, std::string_view value) {
  // A view without memory would be bound as NULL.
  const char* octets = value.empty() ? "" : value.data();
  check(sqlite3_bind_text64(statement_.get(), index, octets, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind(int index, std::span<const std::uint8_t> octets) {
  check(sqlite3_bind_blob64(statement_.get(), index, octets.data(), octets.size(), SQLITE_TRANSIENT));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(database_.get(), code);
}

}  // namespace sluice::store
