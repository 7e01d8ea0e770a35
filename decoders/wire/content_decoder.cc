#include "decoders/wire/content_decoder.h"

#include <strings.h>

namespace sonde::wire {
namespace {

constexpr size_t kOutputBytes = size_t{16} * 1024;

bool Equals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

ContentDecoder::Coding OneCoding(std::string_view name) {
  using Coding = ContentDecoder::Coding;
  if (name.empty() || Equals(name, "identity")) return Coding::kIdentity;
  if (Equals(name, "gzip") || Equals(name, "x-gzip")) return Coding::kGzip;
  if (Equals(name, "deflate")) return Coding::kDeflate;
  if (Equals(name, "br")) return Coding::kBrotli;
  if (Equals(name, "zstd")) return Coding::kZstd;
  return Coding::kUnsupported;
}

std::unique_ptr<Decompressor> DecompressorOf(ContentDecoder::Coding coding) {
  using Coding = ContentDecoder::Coding;
  switch (coding) {
    case Coding::kGzip:
      return NewGzipDecompressor();
    case Coding::kDeflate:
      return NewDeflateDecompressor();
    case Coding::kBrotli:
      return NewBrotliDecompressor();
    case Coding::kZstd:
      return NewZstdDecompressor();
    case Coding::kIdentity:
    case Coding::kUnsupported:
      break;
  }
  return nullptr;
}

}  // namespace

ContentDecoder::Coding ContentDecoder::CodingOf(std::string_view content_encoding) {
  Coding coding = Coding::kIdentity;
  while (!content_encoding.empty()) {
    const size_t comma = content_encoding.find(',');
    const Coding one = OneCoding(Trim(content_encoding.substr(0, comma)));
    content_encoding =
        comma == std::string_view::npos ? std::string_view() : content_encoding.substr(comma + 1);
    if (one == Coding::kIdentity) continue;
    coding = coding == Coding::kIdentity ? one : Coding::kUnsupported;
  }
  return coding;
}

ContentDecoder::ContentDecoder(Coding coding, const DecodeLimits& limits)
    : coding_(coding), limits_(limits) {}

ContentDecoder::~ContentDecoder() {
  decompressor_.reset();
  Account();
}

/// Keeps the shared sum right; false when it exceeds the limit.
bool ContentDecoder::Account() {
  if (limits_.memory == nullptr) return true;
  const size_t now = decompressor_ ? decompressor_->MemoryBytes() : 0;
  limits_.memory->used += now - accounted_;
  accounted_ = now;
  return limits_.memory->used <= limits_.memory->limit;
}

size_t ContentDecoder::MemoryBytes() const {
  return sizeof(*this) + (decompressor_ ? decompressor_->MemoryBytes() : 0);
}

ContentDecoder::Status ContentDecoder::Decode(std::string_view bytes, ByteSink* sink) {
  if (status_ != Status::kOk || finished_ || bytes.empty()) return status_;
  if (coding_ == Coding::kIdentity) {
    sink->OnBytes(bytes);
    return status_;
  }
  if (!decompressor_) decompressor_ = DecompressorOf(coding_);
  status_ = decompressor_ ? Decompress(bytes, sink) : Status::kBroken;
  if (status_ == Status::kOk && !finished_ && !Account()) {
    status_ = Status::kFull;
    ++limits_.memory->refused;
  }
  if (status_ != Status::kOk || finished_) {
    decompressor_.reset();
    Account();
  }
  return status_;
}

ContentDecoder::Status ContentDecoder::Decompress(std::string_view bytes, ByteSink* sink) {
  input_ += bytes.size();
  char buffer[kOutputBytes];
  while (true) {
    size_t produced = 0;
    const Decompressor::Progress progress =
        decompressor_->Step(&bytes, buffer, kOutputBytes, &produced);
    output_ += produced;
    if (IsBomb()) return Status::kBroken;
    if (produced > 0) sink->OnBytes({buffer, produced});
    switch (progress) {
      case Decompressor::Progress::kMore:
        continue;
      case Decompressor::Progress::kEnd:
        finished_ = true;
        [[fallthrough]];
      case Decompressor::Progress::kNeedInput:
        return Status::kOk;
      case Decompressor::Progress::kBroken:
        return Status::kBroken;
    }
  }
}

}  // namespace sonde::wire
