# Pipelines: raindrops rendered on a glass in front of the face. The ranges were estimated by eye from the Raindrop set
# (Qian et al. 2018): drops of 5 to 60 pixels at 720x480, most of them out of focus, on up to half of the image. Lengths
# are in pixels of an image of 512 pixels.
_drops = dict(
    type='RaindropsOnGlass',
    coverage=(0.02, 0.5),
    radius=(2.7, 32),
    contact=(40, 75),
    distance=(6, 16),
    sharp=(0, 0.15),
    defocus=(3, 10),
    blur=(0.3, 1.2),
    brightness=(0.05, 0.55),
    highlight=(0, 0.4),
)
_raindrops_train = [dict(type='FlipFace'), _drops, dict(type='PackFaceInputs')]
_raindrops_test = [dict(_drops, seed=2022), dict(type='PackFaceInputs')]
