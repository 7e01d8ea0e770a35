#include "decoders/wire/content_decoder.h"

#include <strings.h>
#include <zlib.h>

#include <cstdlib>

namespace sonde::wire {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipWrapper = 16;
constexpr uint8_t kGzipMagic = 0x1f;
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
  return Coding::kUnsupported;
}

/// CMF and FLG of RFC 1950: method 8, window at most 32 KiB, check bits.
bool IsZlibHeader(uint8_t cmf, uint8_t flg) {
  return (cmf & 0x0f) == 8 && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0;
}

}  // namespace

struct ContentDecoder::Zlib {
  z_stream stream{};
  size_t allocated = 0;
  bool open = false;

  static voidpf Allocate(voidpf opaque, uInt items, uInt size) {
    static_cast<Zlib*>(opaque)->allocated += size_t{items} * size;
    return calloc(items, size);
  }
  static void Free(voidpf, voidpf address) { free(address); }

  explicit Zlib(int window_bits) {
    stream.zalloc = &Allocate;
    stream.zfree = &Free;
    stream.opaque = this;
    open = inflateInit2(&stream, window_bits) == Z_OK;
  }
  ~Zlib() {
    if (open) inflateEnd(&stream);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;
};

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

ContentDecoder::~ContentDecoder() = default;

size_t ContentDecoder::MemoryBytes() const {
  return sizeof(*this) + (zlib_ ? sizeof(Zlib) + zlib_->allocated : 0);
}

ContentDecoder::Status ContentDecoder::Decode(std::string_view bytes, ByteSink* sink) {
  if (status_ != Status::kOk || bytes.empty()) return status_;
  switch (coding_) {
    case Coding::kIdentity:
      sink->OnBytes(bytes);
      break;
    case Coding::kGzip:
    case Coding::kDeflate:
      if (!finished_ && Start(&bytes, sink) && status_ == Status::kOk) {
        status_ = Inflate(bytes, sink);
      }
      if (status_ != Status::kOk) zlib_.reset();
      break;
    case Coding::kUnsupported:
      status_ = Status::kBroken;
      break;
  }
  return status_;
}

/// Opens the inflater once it is known which wrapper to expect. Returns false while it is not.
bool ContentDecoder::Start(std::string_view* bytes, ByteSink* sink) {
  if (zlib_) return true;
  int window = kWindowBits + kGzipWrapper;
  if (coding_ == Coding::kDeflate) {
    while (held_bytes_ < 2 && !bytes->empty()) {
      held_[held_bytes_++] = bytes->front();
      bytes->remove_prefix(1);
    }
    if (held_bytes_ < 2) return false;
    // "deflate" means zlib's format; some servers send the bare one.
    const bool wrapped =
        IsZlibHeader(static_cast<uint8_t>(held_[0]), static_cast<uint8_t>(held_[1]));
    window = wrapped ? kWindowBits : -kWindowBits;
  }
  zlib_ = std::make_unique<Zlib>(window);
  if (!zlib_->open) {
    status_ = Status::kBroken;
    return false;
  }
  if (held_bytes_ > 0) status_ = Inflate({held_, held_bytes_}, sink);
  return true;
}

ContentDecoder::Status ContentDecoder::Inflate(std::string_view bytes, ByteSink* sink) {
  z_stream& stream = zlib_->stream;
  // zlib does not write through next_in; its type is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  input_ += bytes.size();
  Bytef buffer[kOutputBytes];
  while (true) {
    if (between_members_ && !NextMember()) return Status::kOk;
    stream.next_out = buffer;
    stream.avail_out = kOutputBytes;
    const int result = inflate(&stream, Z_SYNC_FLUSH);
    const size_t produced = kOutputBytes - stream.avail_out;
    output_ += produced;
    if (output_ > limits_.output_bytes ||
        (output_ > kRatioFreeBytes && output_ / limits_.output_ratio > input_)) {
      return Status::kBroken;
    }
    if (produced > 0) sink->OnBytes({reinterpret_cast<const char*>(buffer), produced});
    if (result == Z_STREAM_END) {
      between_members_ = true;
      continue;
    }
    if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_out > 0)) return Status::kOk;
    if (result != Z_OK) return Status::kBroken;
  }
}

/// A gzip file may have several members (RFC 1952 section 2.2); anything else is padding. Returns
/// false when there is nothing to inflate now.
bool ContentDecoder::NextMember() {
  z_stream& stream = zlib_->stream;
  if (stream.avail_in == 0) return false;
  if (coding_ == Coding::kGzip && *stream.next_in == kGzipMagic && inflateReset(&stream) == Z_OK) {
    between_members_ = false;
    return true;
  }
  finished_ = true;
  zlib_.reset();
  return false;
}

}  // namespace sonde::wire
