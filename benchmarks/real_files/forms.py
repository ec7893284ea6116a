"""Containers and codecs by name, and the arguments with which the program ffmpeg writes each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .writing import ffmpeg

# Sizes and rates that codecs insist on; all others are 96x64, two seconds at 10 frames a second.
_SIZES = {"h261": "176x144", "h263": "176x144", "dv": "720x576", "dnxhr": "256x128", "dnxhr 4:4:4": "256x128"}
_SIZES |= {"mpeg2 IMX": "720x576", "dnxhd": "1920x1080", "roq": "128x64"}
_RATES = {"mpeg1": 25, "mpeg2": 25, "mpeg2 interlaced": 25, "mpeg2 4:2:2": 25, "mpeg2 IMX": 25, "dv": 25, "dnxhd": 25}
_RATES |= {"h263": "30000/1001", "h261": "30000/1001", "roq": 30, "mpeg4 30000/1001": "30000/1001"}
_RATES |= {"h264 60 fps": 60, "h264 24000/1001": "24000/1001"}
_SECONDS = {"dv": 0.4, "dnxhd": 0.2, "mpeg2 IMX": 0.4}

CODECS = {
    "h264": "libx264 -bf 0",
    "h264 B frames": "libx264 -bf 3",
    "h264 open GOP": "libx264 -bf 3 -x264-params open-gop=1:keyint=6:min-keyint=6",
    "h264 interlaced": "libx264 -flags +ilme+ildct -x264-params tff=1",
    "h264 10 bit": "libx264 -pix_fmt yuv420p10le",
    "h264 4:2:2": "libx264 -pix_fmt yuv422p",
    "h264 4:4:4": "libx264 -pix_fmt yuv444p",
    "h264 lossless": "libx264 -qp 0 -pix_fmt yuv420p",
    "h264 RGB": "libx264rgb -pix_fmt rgb24",
    "h264 full range": "libx264 -pix_fmt yuvj420p",
    "h264 gray": "libx264 -pix_fmt gray",
    "h264 BT.709": "libx264 -colorspace bt709 -color_primaries bt709 -color_trc bt709",
    "h264 24000/1001": "libx264",
    "h264 60 fps": "libx264",
    "hevc": "libx265 -x265-params log-level=none",
    "hevc 10 bit": "libx265 -pix_fmt yuv420p10le -x265-params log-level=none",
    "hevc 4:4:4 12 bit": "libx265 -pix_fmt yuv444p12le -x265-params log-level=none",
    "av1": "libaom-av1 -cpu-used 8 -crf 20",
    "av1 10 bit": "libaom-av1 -cpu-used 8 -crf 20 -pix_fmt yuv420p10le",
    "vp8": "libvpx -b:v 1M -auto-alt-ref 1",
    "vp9": "libvpx-vp9 -b:v 1M",
    "vp9 4:4:4": "libvpx-vp9 -b:v 1M -pix_fmt yuv444p",
    "vp9 lossless": "libvpx-vp9 -lossless 1",
    "mpeg1": "mpeg1video -q:v 3 -bf 2",
    "mpeg2": "mpeg2video -q:v 3 -bf 2",
    "mpeg2 interlaced": "mpeg2video -q:v 3 -bf 2 -flags +ilme+ildct -top 1",
    "mpeg2 4:2:2": "mpeg2video -q:v 3 -pix_fmt yuv422p",
    "mpeg2 IMX": "mpeg2video -pix_fmt yuv422p -b:v 50M -minrate 50M -maxrate 50M -bufsize 2M -rc_init_occupancy 2M"
    " -intra_vlc 1 -non_linear_quant 1 -g 1 -bf 0 -flags +ildct+low_delay -dc 10 -ps 1 -qmin 1 -qmax 12"
    " -rc_max_vbv_use 1 -rc_min_vbv_use 1 -top 1",
    "mpeg4": "mpeg4 -q:v 3",
    "mpeg4 B frames": "mpeg4 -q:v 3 -bf 2",
    "mpeg4 quarter pixels": "mpeg4 -q:v 3 -bf 2 -flags +qpel",
    "mpeg4 30000/1001": "mpeg4 -q:v 3",
    "xvid": "libxvid -q:v 3 -bf 2",
    "msmpeg4 v2": "msmpeg4v2 -q:v 3",
    "msmpeg4 v3": "msmpeg4 -q:v 3",
    "wmv1": "wmv1 -q:v 3",
    "wmv2": "wmv2 -q:v 3",
    "h261": "h261 -q:v 3",
    "h263": "h263 -q:v 3",
    "h263+": "h263p -q:v 3",
    "flv1": "flv -q:v 3",
    "flash screen": "flashsv",
    "flash screen 2": "flashsv2",
    "theora": "libtheora -q:v 8",
    "mjpeg": "mjpeg -q:v 3 -pix_fmt yuvj420p",
    "mjpeg 4:4:4": "mjpeg -q:v 3 -pix_fmt yuvj444p",
    "mjpeg limited range": "mjpeg -q:v 3 -pix_fmt yuv420p -strict unofficial",
    "jpeg lossless": "ljpeg -pix_fmt yuvj420p",
    "jpeg-ls": "jpegls -pix_fmt rgb24",
    "jpeg 2000": "jpeg2000 -pix_fmt yuv420p -q:v 1",
    "prores": "prores",
    "prores 4444": "prores_ks -profile:v 4 -pix_fmt yuv444p10le",
    "dnxhr": "dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p",
    "dnxhr 4:4:4": "dnxhd -profile:v dnxhr_444 -pix_fmt yuv444p10le",
    "dnxhd": "dnxhd -b:v 120M -pix_fmt yuv422p",
    "cineform": "cfhd -pix_fmt yuv422p10le",
    "vc-2": "vc2 -pix_fmt yuv420p -b:v 20M",
    "dv": "dvvideo -pix_fmt yuv420p",
    "ffv1": "ffv1 -pix_fmt yuv420p",
    "ffv1 RGB": "ffv1 -pix_fmt bgr0",
    "ffv1 16 bit": "ffv1 -pix_fmt yuv444p16le -strict -2",
    "ffv1 gray": "ffv1 -pix_fmt gray",
    "huffyuv": "huffyuv -pix_fmt yuv422p",
    "huffyuv RGB": "huffyuv -pix_fmt rgb24",
    "ffvhuff": "ffvhuff -pix_fmt yuv420p",
    "utvideo": "utvideo -pix_fmt yuv420p",
    "utvideo RGB": "utvideo -pix_fmt gbrp",
    "magicyuv": "magicyuv -pix_fmt gbrp",
    "magicyuv 4:2:2": "magicyuv -pix_fmt yuv422p",
    "cinepak": "cinepak",
    "svq1": "svq1 -q:v 3",
    "animation": "qtrle -pix_fmt rgb24",
    "animation 555": "qtrle -pix_fmt rgb555be",
    "smc": "smc -pix_fmt pal8",
    "ms video 1": "msvideo1",
    "zmbv": "zmbv -pix_fmt bgr0",
    "png": "png -pix_fmt rgb24",
    "png 16 bit": "png -pix_fmt rgb48be",
    "png palette": "png -pix_fmt pal8",
    "tiff": "tiff -pix_fmt rgb24",
    "targa": "targa -pix_fmt bgr24",
    "raw 4:2:0": "rawvideo -pix_fmt yuv420p",
    "raw RGB": "rawvideo -pix_fmt rgb24",
    "raw BGR": "rawvideo -pix_fmt bgr24",
    "raw UYVY": "rawvideo -pix_fmt uyvy422",
    "raw YUY2": "rawvideo -pix_fmt yuyv422",
    "raw gray": "rawvideo -pix_fmt gray",
    "raw 555": "rawvideo -pix_fmt rgb555le",
    "raw palette": "rawvideo -pix_fmt pal8",
    "v210": "v210",
    "v410": "v410",
    "r210": "r210",
    "wrapped 4:2:0": "wrapped_avframe -pix_fmt yuv420p",
    "wrapped 4:4:4": "wrapped_avframe -pix_fmt yuv444p",
    "wrapped gray": "wrapped_avframe -pix_fmt gray",
    "gif": "gif",
    "apng": "apng -pix_fmt rgb24 -plays 0",
    "snow": "snow -q:v 3 -strict -2",
    "hap": "hap -format hap",
    "speedhq": "speedhq",
    "asv1": "asv1",
    "asv2": "asv2",
    "roq": "roqvideo",
    "rv10": "rv10 -q:v 3",
    "rv20": "rv20 -q:v 3",
    "exr": "exr -pix_fmt gbrpf32le",
}

# Suffix, or suffix and FFmpeg's name of the container where the suffix does not say it: codecs.
CONTAINERS = {
    "mp4": "h264, h264 B frames, h264 open GOP, h264 interlaced, h264 10 bit, h264 4:2:2, h264 4:4:4, h264 lossless, "
    "h264 RGB, h264 full range, h264 gray, h264 BT.709, h264 24000/1001, h264 60 fps, hevc, hevc 10 bit, "
    "hevc 4:4:4 12 bit, av1, av1 10 bit, vp9, vp9 lossless, mpeg4, mpeg4 B frames, mpeg2, mpeg1, mjpeg, jpeg 2000, "
    "png, vc-2",
    "mov": "h264 B frames, hevc, prores, prores 4444, dnxhr, dnxhr 4:4:4, cineform, mjpeg, mpeg4, jpeg 2000, png, "
    "png 16 bit, animation, animation 555, svq1, smc, cinepak, raw RGB, raw UYVY, v210, v410, r210, hap, h263, "
    "tiff, targa, dv, flv1",
    "mkv": "h264 B frames, h264 open GOP, h264 interlaced, hevc, av1, vp8, vp9, mpeg1, mpeg2, mpeg2 interlaced, "
    "mpeg4 B frames, xvid, msmpeg4 v3, wmv2, theora, mjpeg, prores, ffv1, ffv1 RGB, ffv1 16 bit, ffv1 gray, huffyuv, "
    "utvideo, magicyuv, raw 4:2:0, snow, png, vc-2, cineform, h261, exr, jpeg-ls",
    "webm": "vp8, vp9, vp9 4:4:4, av1",
    "avi": "h264, h264 B frames, h264 interlaced, mpeg4, mpeg4 B frames, mpeg4 quarter pixels, mpeg4 30000/1001, "
    "xvid, msmpeg4 v2, msmpeg4 v3, wmv1, wmv2, mpeg1, mpeg2, mjpeg, mjpeg 4:4:4, mjpeg limited range, jpeg lossless, "
    "huffyuv, huffyuv RGB, ffvhuff, ffv1, utvideo, utvideo RGB, magicyuv, magicyuv 4:2:2, cinepak, ms video 1, zmbv, "
    "raw 4:2:0, raw BGR, raw YUY2, raw 555, raw gray, raw palette, dv, h263, h261, flv1, vp8, vp9, theora, png, "
    "cineform, asv1, asv2, jpeg 2000, speedhq, flash screen",
    "ts": "h264 B frames, h264 open GOP, hevc, mpeg1, mpeg2, mpeg2 interlaced, mpeg4, vc-2",
    "m2ts": "h264 B frames, mpeg2",
    "mpg": "mpeg1, mpeg2, mpeg2 interlaced",
    "vob": "mpeg2, mpeg1",
    "mpg svcd": "mpeg2",
    "flv": "h264 B frames, flv1, flash screen, flash screen 2",
    "f4v": "h264 B frames",
    "ogg": "theora, vp8",
    "ogv": "theora",
    "gif": "gif",
    "apng": "apng",
    "mxf": "mpeg2, mpeg2 4:2:2, mpeg2 IMX, dnxhd, dv",
    "mxf mxf_d10": "mpeg2 IMX",
    "mxf mxf_opatom": "dnxhd",
    "gxf": "mpeg2 IMX",
    "nut": "h264 B frames, mpeg4 B frames, mpeg2, ffv1, raw RGB, vp8, snow, mjpeg, theora",
    "asf": "wmv1, wmv2, msmpeg4 v3, mpeg4, h264, mjpeg",
    "wmv": "wmv2, wmv1",
    "wtv": "mpeg2",
    "y4m": "wrapped 4:2:0, wrapped 4:4:4, wrapped gray",
    "3gp": "h263, mpeg4, h264 B frames",
    "3g2": "h263, mpeg4",
    "m4v ipod": "h264, mpeg4",
    "ismv": "h264",
    "rm": "rv10, rv20",
    "swf": "flv1, mjpeg",
    "roq": "roq",
    "ivf": "vp8, vp9, av1",
    "avif": "av1",
    "dv": "dv",
    "h264": "h264, h264 B frames",
    "hevc": "hevc",
    "m4v m4v": "mpeg4, mpeg4 B frames",
    "m1v mpeg1video": "mpeg1",
    "m2v mpeg2video": "mpeg2",
    "mjpeg": "mjpeg",
    "mjpg mpjpeg": "mjpeg",
    "obu": "av1",
    "h263": "h263",
    "h261": "h261",
    "drc dirac": "vc-2",
    "cpk film_cpk": "cinepak",
}


@dataclass(frozen=True)
class Form:
    """A codec in a container.

    Attributes:
        suffix: of the file, without its dot.
        container: FFmpeg's name of it, empty where the suffix says it.
        codec: a key of `CODECS`.
    """

    suffix: str
    container: str
    codec: str

    @property
    def name(self) -> str:
        """Such as `avi, h264 B frames`."""
        return f"{self.container or self.suffix}, {self.codec}"

    @property
    def file(self) -> str:
        """The name of its file."""
        words = "".join(letter if letter.isalnum() else "_" for letter in self.name)
        return f"{words}.{self.suffix}"


def forms() -> Iterator[Form]:
    """Every one, containers in order."""
    for place, codecs in CONTAINERS.items():
        suffix, _, container = place.partition(" ")
        for codec in codecs.split(", "):
            yield Form(suffix, container, codec)


def write_form(form: Form, folder: Path) -> Path:
    """Writes a form's file with ffmpeg, or finds it where it was written before.

    Raises:
        RuntimeError: this ffmpeg cannot write it.
    """
    path = folder / form.file
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name("part-" + path.name)
        size, rate = _SIZES.get(form.codec, "96x64"), _RATES.get(form.codec, 10)
        source = f"testsrc2=size={size}:rate={rate}:duration={_SECONDS.get(form.codec, 2)}"
        kind = ("-f", form.container) if form.container else ()
        chosen = CODECS[form.codec].split()
        if chosen[0].startswith("libx264") or chosen[0] == "libx265":
            chosen += ["-preset", "ultrafast" if chosen[0] == "libx265" else "fast", "-crf", "8"]
        formatted = () if "-pix_fmt" in chosen or chosen[0] in _OWN_FORMATS else ("-pix_fmt", "yuv420p")
        try:
            ffmpeg("-f", "lavfi", "-i", source, "-an", "-c:v", *chosen, *formatted, *kind, part)
        except RuntimeError:
            part.unlink(missing_ok=True)
            raise
        part.rename(path)
    return path


# These encoders have formats of their own, none of them 4:2:0.
_OWN_FORMATS = {"gif", "cinepak", "msvideo1", "v210", "v410", "r210", "prores", "hap", "flashsv", "flashsv2"}
_OWN_FORMATS |= {"svq1", "roqvideo", "speedhq"}
