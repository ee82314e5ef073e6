// Which files hold images and sound: the one list of kinds, by the extension of a name and by the first bytes.
//
// Extensions are in lower case and without the dot. A decoder looks at the bytes and never at the name; the
// extension only says which files of a folder or tar are meant to be decoded.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace mom::formats {

bool is_image_extension(std::string_view extension);  // decode_image reads files that end with it
bool is_sound_extension(std::string_view extension);  // decode_sound does

// Plainly an image, a sound or a video, but of a kind that neither decoder reads: such a file is refused by
// name, never taken for something else.
bool is_unreadable_media_extension(std::string_view extension);

// "an AVIF image", "a Matroska or WebM video", ...: the kind of media that begins with `bytes`, readable or not.
// "nothing" for no bytes, "bytes of an unknown kind" for all others.
std::string name_of_content(std::span<const std::byte> bytes);

// For messages: what decode_image and decode_sound read, and what to do with a file of another kind.
inline constexpr std::string_view kReadableImages = "a PNG, JPEG, WebP or GIF image";
inline constexpr std::string_view kReadableSounds = "a sound file (WAV, FLAC, Ogg, MP3)";
inline constexpr std::string_view kConvertImage = "convert it to PNG or JPEG, or remove it";
inline constexpr std::string_view kConvertSound = "convert it to WAV or FLAC, or remove it";

}  // namespace mom::formats
