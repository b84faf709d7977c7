"""Audio and subtitles of a video: copied, encoded again, or omitted with a note."""

import io
from collections.abc import Iterator
from typing import Any

#: Suffix of a result -> FFmpeg's name of the container, and the codec for audio that the container does not support.
CONTAINERS = {'.mp4': ('mp4', 'aac'), '.mov': ('mov', 'aac'), '.mkv': ('matroska', 'flac')}
#: Tags that describe the file format of a container, not its content.
FORMAT_TAGS = ('major_brand', 'minor_version', 'compatible_brands', 'encoder')
#: Copied metadata of a stream.
KEPT_TAGS = ('language', 'title')


def main_video(container: Any) -> Any:
    """The first video stream that is no cover image; None if there is none."""
    videos = [stream for stream in container.streams.video if not _is_cover(stream)]
    return videos[0] if videos else None


def copy_description(source: Any, target: Any) -> None:
    """Copy the tags of a container, such as the time of the recording, and its chapters."""
    tags = {name: value for name, value in source.metadata.items() if name.lower() not in FORMAT_TAGS}
    target.metadata.update(tags)
    # Matroska accepts no others; damaged files have them.
    target.set_chapters([chapter for chapter in source.chapters() if 0 <= chapter['start'] <= chapter['end']])


class OtherStreams:
    """Copies audio and subtitles of a source to a result.

    Args:
        av: The package PyAV.
        source: The opened source.
        target: The opened result, before its first packet.
        suffix: Suffix of the result, a key of ``CONTAINERS``.

    Attributes:
        notes: Notes on streams that are encoded again, damaged or omitted; complete after :meth:`packets`.
    """

    def __init__(self, av: Any, source: Any, target: Any, suffix: str) -> None:
        self.av, self.source = av, source
        self.notes: list[str] = []
        self.tracks: dict[int, _Copied | _Encoded] = {}
        container, codec = CONTAINERS[suffix]
        chapters = source.chapters()
        for stream in source.streams:
            # MP4 and MOV have the titles of chapters in a track; copy_description copies them.
            titles = stream.type == 'data' and bool(chapters) and stream.frames == len(chapters)
            if stream == main_video(source) or titles:
                continue
            name = _name(stream)
            decodable = stream.type == 'audio' and stream.codec_context is not None
            if stream.type in ('audio', 'subtitle') and self._accepts(stream, container):
                self.tracks[stream.index] = _Copied(target.add_stream_from_template(stream), name)
            elif decodable and stream.codec_context.sample_rate:
                self.tracks[stream.index] = _Encoded(av, stream, target, codec, name)
                self.notes.append(f'{name} is stored as {codec}, because {suffix} files do not support it')
            else:
                self.notes.append(f'{name} is omitted')
        for index, track in self.tracks.items():
            for tag in KEPT_TAGS:
                if tag in source.streams[index].metadata:
                    track.stream.metadata[tag] = source.streams[index].metadata[tag]

    def _accepts(self, stream: Any, container: str) -> bool:
        """Whether a container supports a stream; FFmpeg reports it when it writes the header."""
        try:
            with self.av.open(io.BytesIO(), 'w', format=container) as trial:
                trial.add_stream_from_template(stream)
                trial.start_encoding()
        except (self.av.FFmpegError, ValueError):
            return False
        return True

    def packets(self) -> Iterator[tuple[float, Any]]:
        """Yield time in seconds and packet, approximately in the order of time."""
        if self.tracks:
            yield from self._demuxed()
            for track in self.tracks.values():
                yield from track.end()
        self.notes += [f'{track.lost} packets of {track.name} are damaged and omitted'
                       for track in self.tracks.values() if track.lost]  # fmt: skip

    def _demuxed(self) -> Iterator[tuple[float, Any]]:
        last = 0.0
        try:
            for packet in self.source.demux([self.source.streams[index] for index in self.tracks]):
                if packet.dts is not None:
                    last = float(packet.dts * packet.time_base)
                    yield from self.tracks[packet.stream.index].take(packet)
        except self.av.FFmpegError as error:
            if isinstance(error, OSError) and not isinstance(error, ValueError):
                raise OSError(error.errno, error.strerror, self.source.name) from error
            self.notes.append(f'audio and subtitles end at {last:.2f} s: the file cannot be read further')

    def refused(self, packet: Any) -> None:
        """Count a packet that the container of the result does not accept."""
        for track in self.tracks.values():
            if track.stream == packet.stream:
                track.lost += 1


class _Copied:
    """A stream whose packets are copied."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream, self.name, self.lost = stream, name, 0
        self.last: int | None = None

    def take(self, packet: Any) -> Iterator[tuple[float, Any]]:
        # Containers do not accept decreasing times, which damaged files may have.
        if self.last is not None and packet.dts < self.last:
            self.lost += 1
            return
        self.last = packet.dts
        seconds = float(packet.dts * packet.time_base)
        packet.stream = self.stream
        yield seconds, packet

    def end(self) -> Iterator[tuple[float, Any]]:
        yield from ()


class _Encoded:
    """An audio stream that is decoded and encoded again."""

    def __init__(self, av: Any, stream: Any, target: Any, codec: str, name: str) -> None:
        self.av, self.name, self.lost = av, name, 0
        context = stream.codec_context
        rates = av.Codec(codec, 'w').audio_rates or [context.sample_rate]
        rate = min(rates, key=lambda value: abs(value - context.sample_rate))
        self.stream = target.add_stream(codec, rate=rate, layout=context.layout.name)

    def take(self, packet: Any) -> Iterator[tuple[float, Any]]:
        try:
            packets = [coded for frame in packet.decode() for coded in self.stream.encode(frame)]
        except (self.av.FFmpegError, ValueError):
            self.lost += 1
            return
        yield from self._timed(packets)

    def end(self) -> Iterator[tuple[float, Any]]:
        yield from self._timed(self.stream.encode(None))

    def _timed(self, packets: list[Any]) -> Iterator[tuple[float, Any]]:
        for packet in packets:
            yield float(packet.dts * packet.time_base), packet


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _name(stream: Any) -> str:
    codec = 'unknown codec' if stream.codec_context is None else stream.codec_context.name
    kind = 'cover image, stream' if stream.type == 'video' and _is_cover(stream) else f'{stream.type} stream'
    return f'{kind} {stream.index} ({codec})'
