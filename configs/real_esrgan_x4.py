# A general super-resolver on the rainy image, with its published weights. tools/test.py configs/real_esrgan_x4.py none
_base_ = 'bicubic_x4.py'

model = dict(_delete_=True, type='RealESRGAN')
