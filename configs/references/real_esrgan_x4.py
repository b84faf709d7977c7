# A general super-resolver on the rainy image, with its published weights: rainrestore test real_esrgan_x4 none
_base_ = 'bicubic_x4.py'

model = dict(_delete_=True, type='RealESRGAN')
