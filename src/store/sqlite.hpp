// The little of SQLite's C interface that the store needs, with owners for its handles. Private to this room.
//
//   Statement rows(database, "SELECT pool, weight FROM weights WHERE steer = ?", steer);
//   while (rows.next()) use(rows.text(0), rows.real(1));
//
// Failures are thrown as Failure; the store catches them at its border and returns them as a Result.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace sluice::store {

struct Failure {
  int code;            // SQLite's primary result code
  std::string reason;  // SQLite's words, and the system's where there are any
};

// A connection. Not thread-safe.
class Database {
 public:
  explicit Database(sqlite3* opened) : handle_(opened) {}
  sqlite3* get() const { return handle_.get(); }

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

  std::unique_ptr<sqlite3, Close> handle_;
  mutable std::map<std::string, Prepared, std::less<>> prepared_;  // by their text; none while one is in use
};

// Opens or creates the file. `path` must hold no symbolic link.
Database open_database(const std::string& path);

// Whether to wait a moment for another program that holds the database; it is so at first.
void wait_when_busy(const Database& database, bool wait);

// Makes the write-ahead log at least so many octets long, by zeros at its end, which SQLite takes for no log.
// Does nothing when the disk has no room for them. To be called in a transaction that writes: nobody else may
// write.
void lengthen_log(const Database& database, std::int64_t octets);

// From now on WhenWritten is told of this database's log. Does nothing when SQLite's files are not what we
// know: then nobody is told.
void watch_log(const Database& database);

// While it exists, `written` is called once, in its thread: when a transaction's pages are all in the log,
// before they are synced. From then on the transaction outlives the process, but not a power failure, and may
// still fail. Nothing may be thrown there.
class WhenWritten {
 public:
  explicit WhenWritten(const std::function<void()>& written);
  ~WhenWritten();
  WhenWritten(const WhenWritten&) = delete;
  WhenWritten& operator=(const WhenWritten&) = delete;
};

// One prepared statement with its values bound to the question marks in order. Borrows the database, which
// keeps it for the next one with the same text.
class Statement {
 public:
  template <class... Values>
  Statement(const Database& database, std::string_view sql, const Values&... values)
      : Statement(database, sql, Bare{}) {
    int index = 0;
    (bind(++index, values), ...);
  }

  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Goes to the next row; false when there is none.
  bool next();

  // Columns of the present row, counted from 0.
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::optional<std::int64_t> optional_integer(int column) const;
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }
  std::string text(int column) const;

 private:
  struct Bare {};  // without values

  Statement(const Database& database, std::string_view sql, Bare);
  void bind(int index, std::int64_t value);
  void bind(int index, const std::optional<std::int64_t>& value);
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, std::span<const std::uint8_t> octets);
  void check(int code) const;

  const Database& database_;
  Database::Prepared* place_ = nullptr;  // where it is kept for the next one
  Database::Prepared statement_;
};

// Runs a statement to its end; rows that it returns are dropped.
template <class... Values>
void execute(const Database& database, std::string_view sql, const Values&... values) {
  Statement statement(database, sql, values...);
  while (statement.next()) continue;
}

}  // namespace sluice::store
